"""The user's feature code: imported, understood by its annotations, and put around the engine. One file a style."""
