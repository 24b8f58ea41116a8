"""What handlers written for Multi-Model-Server import from it, where it is not installed."""
