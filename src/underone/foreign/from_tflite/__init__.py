"""TFLite files, read without TensorFlow or LiteRT."""

from .read import read_tflite

__all__ = ["read_tflite"]
