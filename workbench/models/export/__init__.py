"""From a model to another form of it: torch to ONNX, float to int8; each with the error it costs."""
