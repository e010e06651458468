"""What a TFLite file says about its pictures and classes: the metadata table, and the label files behind the network.

Source: tensorflow_lite_support/metadata/metadata_schema.fbs (version M001): ModelMetadata, TensorMetadata,
NormalizationOptions, AssociatedFile.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..bounded import Reader
from ..flatbuffer import Table, root_table
from ..zip_member import read_member

_NAME = "TFLITE_METADATA"
_MAGIC = b"M001"
_NORMALISATION = 1  # kind of a process unit
_LABELS = 2  # kind of an associated file: one line for each index of the output
_LONGEST_LABELS = 1 << 20  # bytes


@dataclass(frozen=True)
class Metadata:
    """What the metadata says.

    Attributes:
        mean: by input, one value or one for each channel, in units of the picture's bytes.
        std: the same.
        labels: name of the label file by output.
    """

    mean: Mapping[int, tuple[float, ...]]
    std: Mapping[int, tuple[float, ...]]
    labels: Mapping[int, str]


def read_metadata(buffers: Mapping[str, Reader]) -> Metadata:
    """Read the metadata of a file; empty where there is none of a known kind.

    Raises:
        BadFile: an offset in it is impossible.
    """
    reader = buffers.get(_NAME)
    if reader is None or bytes(reader.data[4:8]) != _MAGIC:
        return Metadata({}, {}, {})
    networks = root_table(reader).tables(3)
    inputs, outputs = (networks[0].tables(slot) if networks else [] for slot in (2, 3))
    units = {i: unit for i, tensor in enumerate(inputs) for unit in _normalisations(tensor)}
    mean, std = ({i: tuple(map(float, u.numbers(slot, "<f4"))) for i, u in units.items()} for slot in (0, 1))
    labels = {i: name for i, tensor in enumerate(outputs) for name in _label_files(tensor)}
    return Metadata(mean, std, labels)


def _normalisations(tensor: Table) -> Iterator[Table]:
    for unit in tensor.tables(4):
        options = unit.table(1)
        if unit.number(0, "<B") == _NORMALISATION and options is not None:
            yield options


def _label_files(tensor: Table) -> Iterator[str]:
    for file in tensor.tables(6):
        if file.number(2, "<b") == _LABELS:
            yield file.text(0)


def read_labels(reader: Reader, name: str) -> tuple[str, ...]:
    """Read a label file that stands behind the network in a zip archive, one label on each line.

    Raises:
        BadFile: it is missing, damaged or too large.
    """
    text = read_member(io.BytesIO(reader.data), reader.where, name, _LONGEST_LABELS)
    if text is None:
        raise reader.bad(0, f"the metadata names a label file {name!r} that the file lacks")
    return tuple(text.decode(errors="replace").splitlines())
