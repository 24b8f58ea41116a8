"""The plan of an image and all that it is printed into: trees, manifest, labels, Dockerfile, context."""
