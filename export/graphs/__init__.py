"""Modules to ONNX graphs with typed ports, and changes to graphs."""
