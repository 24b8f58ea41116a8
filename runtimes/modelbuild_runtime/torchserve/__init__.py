"""What TorchServe's gRPC service needs beside its routes."""
