"""The networks that are measured, from torch to ONNX; what only a study needs is written here."""
