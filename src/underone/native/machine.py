"""What the compiled part can do on this processor."""

from .. import settings
from ..errors import BadValue, Unsupported


def choose_isa() -> str:
    """Give the instruction set to run on: the best of this processor, or what UNDERONE_ISA says.

    ``amx`` is avx512 with its matrix tiles, which only bfloat16 uses.

    Raises:
        Unsupported: the engine has no kernels for this processor.
        BadValue: UNDERONE_ISA names something that this processor does not have.
    """
    from .. import _native

    names, wanted = [*(["amx"] if _native.has_amx() else []), *_native.isas()], settings.isa()
    if not names:
        raise Unsupported("the native engine has no kernels for this processor (AVX2 or arm64); use another backend")
    if wanted is not None and wanted not in names:
        raise BadValue(f"UNDERONE_ISA={wanted!r}; this processor has {', '.join(names)}")
    return wanted or names[0]
