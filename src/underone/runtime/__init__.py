"""Load a file and run it on an engine."""

from .backends import BACKENDS, installed_backends
from .engine import Engine
from .load import load
from .profile import Layer, Profile

__all__ = ["BACKENDS", "Engine", "Layer", "Profile", "installed_backends", "load"]
