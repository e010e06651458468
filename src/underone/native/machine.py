"""What the compiled part can do on this processor."""

from importlib.util import find_spec

from .. import settings
from ..errors import BadValue

CHOICES = ("avx2", "avx512", "amx", "neon")


def is_built() -> bool:
    """Tell whether the compiled part is installed and has kernels for this processor."""
    if find_spec("underone._native") is None:
        return False
    from .. import _native

    return bool(_native.isas())


def choose_isa() -> tuple[str, bool]:
    """Give the instruction set to run on, and whether matrix tiles (AMX) may be used.

    The best of this processor, or what UNDERONE_ISA says.

    Raises:
        BadValue: UNDERONE_ISA names something that this processor does not have.
    """
    from .. import _native

    names, wanted = _native.isas(), settings.isa()
    tiles = _native.has_amx()
    able = [*names, *(["amx"] if tiles else [])]
    if wanted is None:
        return names[0], tiles
    if wanted not in able:
        raise BadValue(f"UNDERONE_ISA={wanted!r}; this processor has {', '.join(able) or 'none'}")
    return ("avx512", True) if wanted == "amx" else (wanted, False)
