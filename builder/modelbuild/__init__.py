"""mbuild: from a trained model and a feature module to a verified image."""
