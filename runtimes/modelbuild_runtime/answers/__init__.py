"""Responses by media type: what the natural protocols write."""
