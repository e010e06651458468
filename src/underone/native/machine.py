"""What the compiled part can do on this processor."""

from importlib.util import find_spec

from .. import settings
from ..errors import BadValue


def is_built() -> bool:
    """Tell whether the compiled part is installed and has kernels for this processor."""
    if find_spec("underone._native") is None:
        return False
    from .. import _native

    return bool(_native.isas())


def choose_isa() -> str:
    """Give the instruction set to run on: the best of this processor, or what UNDERONE_ISA says.

    ``amx`` is avx512 with its matrix tiles, which only bfloat16 uses.

    Raises:
        BadValue: UNDERONE_ISA names something that this processor does not have.
    """
    from .. import _native

    names, wanted = [*(["amx"] if _native.has_amx() else []), *_native.isas()], settings.isa()
    if wanted is not None and wanted not in names:
        raise BadValue(f"UNDERONE_ISA={wanted!r}; this processor has {', '.join(names) or 'none'}")
    return wanted or names[0]
