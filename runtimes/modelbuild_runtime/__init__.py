"""The server that goes into the image. Never imports the builder."""
