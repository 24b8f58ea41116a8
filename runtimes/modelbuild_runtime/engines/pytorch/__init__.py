"""PyTorch: TorchScript, torch.export programs, and weights for a class that the handler has."""
