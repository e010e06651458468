"""What a TFLite file says about its pictures and classes: the metadata table, and labels in a zip behind the file.

Source: tensorflow_lite_support/metadata/metadata_schema.fbs (version M001).
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import flatbuffers
import numpy as np

from ...errors import Unsupported
from ...spec import ModelSpec, Preparation

NAME = "TFLITE_METADATA"
_LABELS = "labels.txt"
_NORMALISATION, _AXIS_LABELS = 1, 2  # kinds of a process unit, and of an associated file


def metadata_of(spec: ModelSpec) -> bytes:
    """Give the table: how bytes become the first input, and which output has labels: the one with a score for each.

    Raises:
        Unsupported: the network wants pictures in BGR, which the format cannot say.
    """
    builder = flatbuffers.Builder(1024)
    how = spec.input.preparation if spec.inputs else None
    units = [] if how is None else [_normalisation(builder, how)]
    files = [] if spec.labels is None else [_file(builder)]
    inputs = [_table(builder, {4: _vector(builder, units)})]
    labelled = next((i for i, o in enumerate(spec.outputs) if o.meaning in ("logits", "probabilities")), 0)
    lists = [_vector(builder, files if i == labelled else []) for i in range(max(len(spec.outputs), 1))]
    outputs = [_table(builder, {6: listed}) for listed in lists]
    network = _table(builder, {2: _vector(builder, inputs), 3: _vector(builder, outputs)})
    root = _table(builder, {0: builder.CreateString(spec.name), 3: _vector(builder, [network])})
    builder.Finish(root, b"M001")
    return bytes(builder.Output())


def append_labels(path: Path, labels: Sequence[str]) -> None:
    """Put the labels behind a file, where the metadata says they are."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(_LABELS), "".join(f"{label}\n" for label in labels))


def _normalisation(builder: flatbuffers.Builder, how: Preparation) -> int:
    """Write (byte - mean) / std."""
    if how.color == "BGR":
        raise Unsupported("pictures in BGR: LiteRT's metadata has RGB and grey only; turn the first convolution round")
    low, high = how.range
    scale = 255 / (high - low)
    mean, std = (np.array(how.mean) - low) * scale, np.array(how.std) * scale
    numbers = {i: builder.CreateNumpyVector(v.astype(np.float32)) for i, v in enumerate((mean, std))}
    return _table(builder, {1: _table(builder, numbers)}, kind=(0, _NORMALISATION))


def _file(builder: flatbuffers.Builder) -> int:
    return _table(builder, {0: builder.CreateString(_LABELS)}, kind=(2, _AXIS_LABELS))


def _table(builder: flatbuffers.Builder, offsets: dict[int, int], kind: tuple[int, int] | None = None) -> int:
    """Write a table of offsets by slot, and of one byte that says of what kind it is."""
    builder.StartObject(8)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    if kind is not None:
        builder.PrependInt8Slot(*kind, 0)
    return int(builder.EndObject())


def _vector(builder: flatbuffers.Builder, tables: Sequence[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return int(builder.EndVector())
