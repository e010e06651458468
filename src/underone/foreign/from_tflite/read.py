"""Read a TFLite file: its constants, its labels, and its network."""

from pathlib import Path

from ...graph import Array
from ..bounded import Budget, Reader, open_file
from ..foreign_file import Cut, ForeignFile, Network
from .model_file import TFLiteFile, parse
from .operators import TABLE
from .translation import finish, real_values, translate


def read_tflite(source: Path | str | bytes, where: str = "model.tflite", dequantise: bool = False) -> ForeignFile:
    """Read a TFLite file.

    Args:
        source: a path, or the bytes of a file.
        where: what to call bytes in a message.
        dequantise: give quantised constants in `tensors` as the float32 values that they stand for.

    Raises:
        BadFile: no TFLite file, or a damaged one; the offset is named.
        Unsupported: constants of a kind that is not read.
    """
    reader = Reader(memoryview(source), where) if isinstance(source, bytes) else open_file(Path(source))
    file = parse(reader)
    tensors = {t.name: t.value for t in file.tensors if t.value is not None}
    return ForeignFile(
        where=file.where,
        format="TFLite",
        tensors=_real(file, tensors) if dequantise else tensors,
        build=lambda cut: _network(file, reader, cut),
    )


def _real(file: TFLiteFile, tensors: dict[str, Array]) -> dict[str, Array]:
    scales = {t.name: t.quantisation for t in file.tensors}
    return {
        n: a if (how := scales[n]) is None or a.dtype.kind not in "iu" else real_values(a, how)
        for n, a in tensors.items()
    }


def _network(file: TFLiteFile, reader: Reader, cut: Cut) -> Network:
    translation, outputs = translate(file, TABLE, cut, Budget(reader))
    return finish(translation, outputs)
