"""Model <-> bundle, ONNX."""
