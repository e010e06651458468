"""Constants of a program: in the program itself, or in the blob file beside it.

Source: MIL.proto of coremltools 9.0, and the header of its MILBlob library (64 bytes of metadata for each blob).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...errors import Unsupported
from ...graph import Array
from ..bounded import Budget, Reader, checked_elements
from ..protobuf import Message
from .package import Package

# MILSpec.DataType -> numpy's notation, and the number of the same type in a blob file
DTYPES: Mapping[int, str] = {
    1: "|b1", 10: "<f2", 11: "<f4", 12: "<f8", 21: "|i1", 22: "<i2", 23: "<i4", 24: "<i8", 31: "|u1", 32: "<u2",
    33: "<u4", 34: "<u8",
}  # fmt: skip
_BLOBS: Mapping[int, str] = {
    1: "<f2", 2: "<f4", 3: "|u1", 4: "|i1", 6: "<i2", 7: "<u2", 14: "<i4", 15: "<u4",
}  # fmt: skip
_STRING = 2
_SENTINEL = 0xDEADBEEF
_MOST_TEXTS = 1 << 17

# field of a TensorValue -> how its numbers are stored
_FLOATS, _INTS, _BOOLS, _STRINGS, _LONGS, _DOUBLES, _BYTES = range(1, 8)

Value = Array | tuple[str, ...]


class Type(NamedTuple):
    """A tensor's shape, None where it is open, and dtype in numpy's notation; "" for texts and what is no tensor."""

    shape: tuple[int | None, ...]
    dtype: str


def read_type(message: Message) -> Type:
    """Read a ValueType.

    Raises:
        Unsupported: numbers of a type that is not read, for example of 4 bits.
    """
    tensor = message.message(1)
    kind = tensor.integer(1)
    if not message.has(1) or kind == _STRING:
        return Type((), "")
    if kind not in DTYPES:
        raise Unsupported(f"{message.where}, byte {message.offset}: a tensor of data type {kind} is not read")
    shape = tuple(d.message(1).integer(1) if d.has(1) else None for d in tensor.messages(3))
    return Type(shape, DTYPES[kind])


def read_value(message: Message, package: Package, budget: Budget) -> Value:
    """Read a Value: an array, or texts.

    Raises:
        BadFile: its numbers are not as many as its type says, or lie outside the file.
        Unsupported: a value that is neither.
    """
    kind = read_type(message.message(2))
    if message.has(5):
        return _from_file(message.message(5), kind, package)
    immediate = message.message(3)
    if immediate.has(3):  # a list
        texts = [text for value in immediate.message(3).messages(1) for text in _texts(value.message(3).message(1))]
        return tuple(texts[:_MOST_TEXTS])
    tensor = immediate.message(1)
    if not kind.dtype:
        return tuple(_texts(tensor))
    shape = tuple(d if d is not None else -1 for d in kind.shape)
    array = _numbers(tensor, kind.dtype)
    wanted = checked_elements(Reader(tensor.data, tensor.where, tensor.offset), 0, shape, "a constant")
    if array.size != wanted:
        raise message.bad(0, f"a constant of shape {shape} holds {array.size} numbers")
    budget.spend(array.nbytes, "a constant")
    return array.reshape(shape)


def _texts(tensor: Message) -> list[str]:
    return tensor.message(_STRINGS).texts(1)


def _numbers(tensor: Message, dtype: str) -> Array:
    if tensor.has(_BYTES):
        data = tensor.message(_BYTES).view(1)
        if len(data) % np.dtype(dtype).itemsize:
            raise tensor.bad(0, f"{len(data)} bytes are no numbers of {dtype}")
        return np.frombuffer(data, dtype)
    for field, stored in ((_FLOATS, "<f4"), (_DOUBLES, "<f8")):
        if tensor.has(field):
            return tensor.message(field).numbers(1, stored).astype(dtype)
    for field in (_INTS, _LONGS, _BOOLS):
        if tensor.has(field):
            return tensor.message(field).integers(1).astype(dtype)
    return np.zeros(0, dtype)


def _from_file(message: Message, kind: Type, package: Package) -> Array:
    """Give a view of the blob file; the metadata must say what the program says."""
    reader, at = package.weights(message.text(1)), message.integer(2)
    sentinel = reader.number(at, "<I", "the mark of a blob")
    stored = reader.number(at + 4, "<I", "the type of a blob")
    size, start = reader.number(at + 8, "<Q", "the size of a blob"), reader.number(at + 16, "<Q", "the place of a blob")
    if sentinel != _SENTINEL:
        raise reader.bad(at, f"{sentinel:#x} is not the mark of a blob, {_SENTINEL:#x}")
    if _BLOBS.get(stored) != kind.dtype and not (kind.dtype == "|b1" and stored == 3):
        raise reader.bad(at + 4, f"a blob of type {stored} for a tensor of {kind.dtype or 'texts'}")
    shape = tuple(d if d is not None else -1 for d in kind.shape)
    array = reader.array(start, kind.dtype, shape, "a blob")
    if array.nbytes != size:
        raise reader.bad(at + 8, f"a blob of {size} bytes for a tensor {shape} of {kind.dtype}")
    return array
