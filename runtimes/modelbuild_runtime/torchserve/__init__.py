"""What TorchServe brings beside its routes: its gRPC service, its words, and the configuration of its images."""
