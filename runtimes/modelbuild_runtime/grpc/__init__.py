"""gRPC: messages and the transport. Nothing here is imported while its port is off."""
