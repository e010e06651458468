"""Load a file and run it on an engine."""

from .backends import BACKENDS, installed_backends
from .engine import Engine
from .load import load

__all__ = ["BACKENDS", "Engine", "installed_backends", "load"]
