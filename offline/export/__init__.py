"""From a trained network to a bundle: the ONNX graph, the int8 vectors, and all that the service reads."""
