"""TensorProto: an array as TensorFlow stores it inside a message.

Source: tensorflow/core/framework/{types,tensor,tensor_shape}.proto.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ...errors import Unsupported
from ...graph import Array
from ..bounded import MOST_AXES
from ..protobuf import Message

MOST_EXPANDED = 1 << 24  # bytes of one tensor that is stored as fewer values than it has


class DType(NamedTuple):
    """One of TensorFlow's types.

    Attributes:
        name: numpy's name of what its values become here; quantised types are their integers, bfloat16 is float32.
        stored: numpy's name of the bytes in a file.
        field: of TensorProto that holds values one by one.
        varint: whether those are varints.
    """

    name: str
    stored: str
    field: int
    varint: bool = True


DTYPES: Mapping[int, DType] = {
    1: DType("float32", "<f4", 5, varint=False),
    2: DType("float64", "<f8", 6, varint=False),
    3: DType("int32", "<i4", 7),
    4: DType("uint8", "u1", 7),
    5: DType("int16", "<i2", 7),
    6: DType("int8", "i1", 7),
    9: DType("int64", "<i8", 10),
    10: DType("bool", "?", 11),
    11: DType("int8", "i1", 7),  # qint8
    12: DType("uint8", "u1", 7),  # quint8
    13: DType("int32", "<i4", 7),  # qint32
    14: DType("float32", "<u2", 13),  # bfloat16: the upper half of a float32
    15: DType("int16", "<i2", 7),  # qint16
    16: DType("uint16", "<u2", 7),  # quint16
    17: DType("uint16", "<u2", 7),
    19: DType("float16", "<f2", 13),
    22: DType("uint32", "<u4", 16),
    23: DType("uint64", "<u8", 17),
}
_UNREAD = {7: "string", 8: "complex64", 18: "complex128", 20: "resource", 21: "variant"}
_BFLOAT16, _HALF, _REFERENCE = 14, 19, 100


def dtype_of(number: int, message: Message) -> DType:
    """Look up a type by its number in types.proto; a reference type is the type it refers to.

    Raises:
        Unsupported: it has no numbers that numpy knows.
    """
    number = number - _REFERENCE if number > _REFERENCE else number
    if number not in DTYPES:
        kind = _UNREAD.get(number, f"number {number}")
        raise Unsupported(
            f"{message.where}, byte {message.offset}: a tensor of type {kind}; "
            f"{', '.join(sorted({d.name for d in DTYPES.values()}))}, bfloat16 and quantised types are read"
        )
    return DTYPES[number]


def read_shape(message: Message) -> tuple[int | None, ...] | None:
    """Read a TensorShapeProto: None for an unknown number of axes, None in it for an open size.

    Raises:
        BadFile: there are more than 8 axes.
    """
    if message.integer(3):
        return None
    sizes = [dim.integer(1) for dim in message.messages(2)]
    if len(sizes) > MOST_AXES:
        raise message.bad(0, f"a shape of {len(sizes)} axes; at most {MOST_AXES} are valid")
    return tuple(d if d >= 0 else None for d in sizes)


def fixed_shape(message: Message) -> tuple[int, ...]:
    """Read a TensorShapeProto that must be whole.

    Raises:
        BadFile: a size or the number of axes is open.
    """
    shape = read_shape(message)
    if shape is None or None in shape:
        raise message.bad(0, f"the shape of a stored tensor is {shape}; whole sizes are required")
    return tuple(d for d in shape if d is not None)


def read_tensor(message: Message) -> Array:
    """Read a TensorProto; large ones are views of the file.

    Raises:
        BadFile: its size is not that of its data.
        Unsupported: its type has no numbers.
    """
    number, shape = message.integer(1), fixed_shape(message.message(2))
    if message.has(4):
        return stored_numbers(message.view(4), number, message, math.prod(shape)).reshape(shape)
    return _filled(listed_numbers(message, number), math.prod(shape), message).reshape(shape)


def stated_bytes(message: Message) -> int:
    """Give how many bytes the numbers of a TensorProto take once they are read; 0 for one without numbers."""
    dtype = DTYPES.get(message.integer(1) % _REFERENCE)
    return math.prod(fixed_shape(message.message(2))) * np.dtype(dtype.name).itemsize if dtype else 0


def stored_numbers(raw: memoryview, number: int, message: Message, count: int) -> Array:
    """Give the numbers of a tensor that is stored as bytes, of type `number`.

    Raises:
        BadFile: there are not `count` of them.
    """
    dtype = dtype_of(number, message)
    stored = np.dtype(dtype.stored)
    if len(raw) != count * stored.itemsize:
        raise message.bad(0, f"a tensor of {count} numbers of {stored.itemsize} bytes holds {len(raw)} bytes")
    return _widened(np.frombuffer(raw, stored), number % _REFERENCE)


def listed_numbers(message: Message, number: int) -> Array:
    """Give the numbers of a TensorProto that are written one by one, of type `number`."""
    dtype, number = dtype_of(number, message), number % _REFERENCE
    if not dtype.varint:
        return message.numbers(dtype.field, dtype.stored)
    if number in (_HALF, _BFLOAT16):  # the 16 bits of each, in a varint
        bits = message.integers(dtype.field, np.uint16)
        return bits.view(np.float16) if number == _HALF else _widened(bits, number)
    return message.integers(dtype.field, dtype.stored)


def _widened(values: Array, number: int) -> Array:
    return (values.astype(np.uint32) << 16).view(np.float32) if number == _BFLOAT16 else values


def _filled(values: Array, count: int, message: Message) -> Array:
    """Repeat the last value up to `count`; none at all are zeros."""
    if len(values) > count:
        raise message.bad(0, f"a tensor of {count} numbers holds {len(values)}")
    if len(values) == count:
        return values
    if count * values.itemsize > MOST_EXPANDED:
        raise message.bad(
            0, f"{count} numbers, of which {len(values)} are given; at most {MOST_EXPANDED} bytes are filled"
        )
    last: Any = values[-1] if len(values) else np.zeros((), values.dtype)[()]
    if len(values) <= 1:
        return np.broadcast_to(last, count)  # one number in memory
    return np.concatenate([values, np.full(count - len(values), last)])
