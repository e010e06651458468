"""Dataspaces and datatypes: the shape and the dtype of a dataset or an attribute."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .reader import Hdf5Reader

_INTEGER, _FLOAT, _STRING, _OPAQUE, _ENUM, _VARIABLE = 0, 1, 3, 5, 8, 9
_NAMES = {2: "time", 4: "bit field", 6: "compound", 7: "reference", 10: "array", 11: "complex"}
_FLOATS = {(2, 5, 10), (4, 8, 23), (8, 11, 52)}  # bytes, bits of the exponent, bits of the mantissa (IEEE 754)
_MOST_AXES = 32
_NULL = 2


@dataclass(frozen=True)
class Type:
    """How one element is stored.

    Attributes:
        dtype: numpy's; of a variable string its reference of 16 bytes.
        text: a string, of fixed size or in the global heap.
        variable: the element is a reference into the global heap.
    """

    dtype: np.dtype[Any]
    text: bool = False
    variable: bool = False


def shape_at(reader: Hdf5Reader, at: int) -> tuple[int, ...] | None:
    """Read a dataspace message; None: no elements at all.

    Raises:
        BadFile: more axes than HDF5 allows, or the message is cut off.
        Unsupported: a version that is not known.
    """
    version, rank = reader.unsigned(at, 1), reader.unsigned(at + 1, 1)
    if version not in (1, 2):
        raise reader.unsupported(at, f"dataspace of version {version}; 1 and 2 are read")
    if rank > _MOST_AXES:
        raise reader.bad(at, f"{rank} axes; at most {_MOST_AXES} are allowed")
    if version == 2 and reader.unsigned(at + 3, 1) == _NULL:
        return None
    first = at + (8 if version == 1 else 4)
    return tuple(reader.unsigned(first + 8 * i, 8) for i in range(rank))


def type_at(reader: Hdf5Reader, at: int) -> Type:
    """Read a datatype message.

    Raises:
        BadFile: a size of 0, or the message is cut off.
        Unsupported: a class of types that Keras does not write.
    """
    kind, size = reader.unsigned(at, 1) & 15, reader.unsigned(at + 4, 4)
    bits = reader.unsigned(at + 1, 3)
    if not 0 < size <= 1 << 20:
        raise reader.bad(at, f"elements of {size} bytes")
    if kind == _ENUM:
        return type_at_base(reader, at, size)
    if kind == _STRING:
        return Type(np.dtype(f"S{size}"), text=True)
    if kind == _OPAQUE:
        return Type(np.dtype(f"V{size}"))
    if kind == _VARIABLE and bits & 15 == 1 and size == 16:
        return Type(np.dtype("V16"), text=True, variable=True)
    if kind == _INTEGER and size in (1, 2, 4, 8):
        return Type(np.dtype(f"{'>' if bits & 1 else '<'}{'i' if bits & 8 else 'u'}{size}"))
    if kind == _FLOAT and (size, reader.unsigned(at + 13, 1), reader.unsigned(at + 15, 1)) in _FLOATS:
        return Type(np.dtype(f"{'>' if bits & 1 else '<'}f{size}"))
    name = _NAMES.get(kind, f"class {kind}")
    raise reader.unsupported(at, f"elements of {size} bytes of type {name}; numbers and strings are read")


def type_at_base(reader: Hdf5Reader, at: int, size: int) -> Type:
    """Read the integer type that an enumeration stands on (h5py writes booleans so)."""
    kind, base = reader.unsigned(at + 8, 1) & 15, reader.unsigned(at + 12, 4)
    if kind != _INTEGER or base != size:
        raise reader.bad(at, "an enumeration that does not stand on integers of its size")
    return type_at(reader, at + 8)
