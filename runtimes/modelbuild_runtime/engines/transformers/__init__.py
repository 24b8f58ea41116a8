"""Hugging Face Transformers on PyTorch."""
