"""TensorFlow Serving's messages: its JSON with its number rules, its examples and results, its tensors in protobuf.

Read from tensorflow/serving at 9d981c5 (its REST API's documentation, JSON conversion and services).
"""
