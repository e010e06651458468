"""Measuring: the protocol, the machine, the Record, comparison of engines, the report."""

from .machine import Machine, describe
from .processes import Contestant, compare_engines
from .protocol import interleave, measure
from .record import Ratio, Record, fastest, ratio

__all__ = [
    "Contestant",
    "Machine",
    "Ratio",
    "Record",
    "compare_engines",
    "describe",
    "fastest",
    "interleave",
    "measure",
    "ratio",
]
