"""ONNX on onnxruntime."""
