"""The Graph: reading and writing ONNX, counting, and the numpy reference interpreter."""
