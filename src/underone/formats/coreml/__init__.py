"""Core ML: a Graph → a .mlpackage with an ML Program, by coremltools' builder of programs."""

from .neural_engine import off_the_neural_engine
from .package import write_package

__all__ = ["off_the_neural_engine", "write_package"]
