"""From requirements to the dependency layer: Python version, resolution, lock, tree."""
