"""Request bodies by media type: what the natural protocols read."""
