"""Loading models, trying them out, and those that come later."""
