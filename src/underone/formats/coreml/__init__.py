"""Core ML: a Graph → a .mlpackage with an ML Program, by coremltools' builder of programs."""

from .package import write_package

__all__ = ["write_package"]
