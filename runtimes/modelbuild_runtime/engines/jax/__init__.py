"""Functions that JAX exported."""
