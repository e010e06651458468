"""Measuring: the protocol, the machine, the Record, comparison of engines, the report."""

from .figures import PROTOCOLS, Figure, figure
from .machine import Machine, describe
from .processes import Contestant, compare_engines
from .protocol import example, interleave, measure
from .record import Flow, Ratio, Record, ratio, write_records

__all__ = [
    "PROTOCOLS",
    "Contestant",
    "Figure",
    "Flow",
    "Machine",
    "Ratio",
    "Record",
    "compare_engines",
    "describe",
    "example",
    "figure",
    "interleave",
    "measure",
    "ratio",
    "write_records",
]
