"""The page that a browser gets at /: one response with all that is in it, which asks nobody but this server."""
