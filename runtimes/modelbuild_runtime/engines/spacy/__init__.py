"""spaCy pipelines."""
