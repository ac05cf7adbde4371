"""ONNX to engines, and the bundle that holds them."""
