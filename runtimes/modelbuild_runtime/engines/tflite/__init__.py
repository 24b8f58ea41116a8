"""TensorFlow Lite on LiteRT."""
