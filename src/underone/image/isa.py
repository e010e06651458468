"""The instruction set that pictures are worked on with."""

from ..settings import isa as wanted_isa

try:
    from .._native import isas

    ISAS = [isa for isa in isas() if isa != "amx"]  # that this is built for and this processor has, the best first
except ImportError:  # built without a compiler
    ISAS = []


def chosen_isa() -> str:
    """Name the instruction set that pictures are worked on with, one of `ISAS`."""
    wanted = wanted_isa()
    return wanted if wanted in ISAS else ISAS[0]  # amx is for products of matrices alone
