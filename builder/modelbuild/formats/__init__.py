"""File formats: what an artifact is made of, and which runtime it is for."""
