"""ONNX graphs that Optimum exported, read as a checkpoint."""
