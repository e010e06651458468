"""The environment variables, read in one place, at the time of the call.

An argument given in code comes first, then these:

    UNDERONE_CACHE     folder for fetched files (default: ~/.cache/underone)
    UNDERONE_ASSETS    folder with real weights and photographs, searched before any download
    UNDERONE_OFFLINE   1: never touch the network
    UNDERONE_THREADS   threads of an engine when the caller names none
    UNDERONE_EXECUTORCH  path of a Python that has executorch and underone (default: this one, where it has)
    UNDERONE_ISA       instruction set of the native engine: avx2, avx512, avx512_bf16 or amx (default: the best)
"""

import os
from pathlib import Path

from .errors import BadValue


def cache_dir() -> Path:
    """Return the folder for fetched files; it may not exist yet."""
    given = os.environ.get("UNDERONE_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "underone"


def assets_dir() -> Path | None:
    """Return the folder of local assets, or None when the variable is unset."""
    given = os.environ.get("UNDERONE_ASSETS")
    return Path(given) if given else None


def offline() -> bool:
    """Tell whether the network is forbidden."""
    return os.environ.get("UNDERONE_OFFLINE", "") not in ("", "0")


def threads() -> int:
    """Return the number of threads an engine uses by default: 1, or UNDERONE_THREADS.

    Raises:
        BadValue: UNDERONE_THREADS is no positive whole number.
    """
    given = os.environ.get("UNDERONE_THREADS", "1")
    if not given.isdigit() or int(given) < 1:
        raise BadValue(f"UNDERONE_THREADS={given!r}; a whole number from 1 up is required")
    return int(given)


def isa() -> str | None:
    """Return the instruction set that the native engine is held to, or None."""
    return os.environ.get("UNDERONE_ISA") or None


def executorch_python() -> Path | None:
    """Return the Python that makes and runs ExecuTorch programs, or None when the variable is unset."""
    given = os.environ.get("UNDERONE_EXECUTORCH")
    return Path(given) if given else None
