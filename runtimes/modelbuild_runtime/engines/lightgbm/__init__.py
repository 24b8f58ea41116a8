"""LightGBM, by its C library."""
