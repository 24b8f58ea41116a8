"""Plain Python: a handler that brings its own model."""
