"""The native engine's compiler: a Graph becomes the steps of a compiled plan."""

from .lower import lower
from .machine import choose_isa
from .program import Program

__all__ = ["Program", "choose_isa", "lower"]
