"""A third party's runtime."""
