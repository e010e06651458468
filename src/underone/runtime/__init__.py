"""Load a file and run it on an engine."""

from .engine import Engine
from .load import load

__all__ = ["Engine", "load"]
