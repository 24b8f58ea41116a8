"""As in the server of that name."""
