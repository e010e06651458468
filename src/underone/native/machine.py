"""What the compiled part can do on this processor."""

from .. import settings
from ..errors import BadValue, Unsupported


def choose_isa() -> str:
    """Give the instruction set to run on: the best of this processor, or what UNDERONE_ISA says.

    ``amx`` is avx512 with its matrix tiles, ``avx512_bf16`` with its dot product of pairs; only bfloat16 uses either.

    Raises:
        Unsupported: the engine has no kernels for this processor.
        BadValue: UNDERONE_ISA names something that this processor does not have.
    """
    from .. import _native

    plain, wanted = _native.isas(), settings.isa()
    if not plain:
        raise Unsupported("the native engine has no kernels for this processor (AVX2 or arm64); use another backend")
    names = [*(["amx"] if _native.has_amx() else []), *(["avx512_bf16"] if _native.has_dots() else []), *plain]
    if wanted is not None and wanted not in names:
        raise BadValue(f"UNDERONE_ISA={wanted!r}; this processor has {', '.join(names)}")
    if wanted is None and names[0] == "avx512_bf16" and not _native.has_fast_dots():
        return plain[0]
    return wanted or names[0]
