"""Core ML packages with an ML Program, read without coremltools."""

from .read import read_coreml

__all__ = ["read_coreml"]
