"""What handlers written for TorchServe import from it, where TorchServe is not installed."""
