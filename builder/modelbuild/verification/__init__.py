"""Running an image and asking it its examples."""
