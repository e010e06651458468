"""Load a file and run it on an engine; features of pictures."""

from .backends import BACKENDS, installed_backends
from .engine import Engine
from .features import Features, Neighbour, extract, read_features
from .load import load
from .profile import Layer, Profile

__all__ = [
    "BACKENDS",
    "Engine",
    "Features",
    "Layer",
    "Neighbour",
    "Profile",
    "extract",
    "installed_backends",
    "load",
    "read_features",
]
