"""PyTorch to ONNX: checkpoint -> recipe -> typed ONNX components. The only home of torch."""
