"""LiteRT: a Graph → a .tflite file, and that file run by LiteRT."""

from .run import of_tflite
from .write import write_tflite

__all__ = ["of_tflite", "write_tflite"]
