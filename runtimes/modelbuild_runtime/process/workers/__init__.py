"""Several processes that serve the same model, and what is done when one dies."""
