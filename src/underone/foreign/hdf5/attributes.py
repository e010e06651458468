"""Attributes: small named values on a group or a dataset."""

from collections.abc import Iterator, Sequence

from ...graph import Array
from .btree import records
from .header import ATTRIBUTE, ATTRIBUTE_INFO, Message
from .heaps import FractalHeap, global_object, text
from .reader import Hdf5Reader
from .types import Type, shape_at, type_at

NOWHERE = (1 << 64) - 1  # the address of what does not exist

Attribute = str | list[str] | Array
_MOST_ELEMENTS = 1 << 20


def read_attributes(reader: Hdf5Reader, header: Sequence[Message]) -> dict[str, Attribute]:
    """Read all attributes of an object: texts as str, lists of texts flat, numbers as arrays.

    Raises:
        BadFile: an attribute is damaged.
        Unsupported: one has a type or a form that is not read.
    """
    return dict(_attribute(reader, at) for at in _places(reader, header))


def _places(reader: Hdf5Reader, header: Sequence[Message]) -> Iterator[int]:
    for message in header:
        if message.kind == ATTRIBUTE:
            if message.shared:
                raise reader.unsupported(message.at, "an attribute that several objects share")
            yield message.at
        elif message.kind == ATTRIBUTE_INFO:
            first = message.at + (4 if reader.unsigned(message.at + 1, 1) & 1 else 2)
            heap, index = reader.unsigned(first, 8), reader.unsigned(first + 8, 8)
            if heap != NOWHERE:
                objects = FractalHeap(reader, heap)
                yield from (objects.object(record)[0] for record in records(reader, index))


def _attribute(reader: Hdf5Reader, at: int) -> tuple[str, Attribute]:
    version, flags = reader.unsigned(at, 1), reader.unsigned(at + 1, 1)
    if version not in (1, 2, 3) or (version > 1 and flags):
        raise reader.unsupported(at, f"an attribute of version {version} with flags {flags}")
    sizes = [reader.unsigned(at + o, 2) for o in (2, 4, 6)]  # of name, datatype and dataspace
    name_at = at + (9 if version == 3 else 8)
    padded = [-(-s // 8) * 8 for s in sizes] if version == 1 else sizes
    name = text(reader, name_at, bytes(reader.view(name_at, sizes[0])).split(b"\0")[0])
    type_place = name_at + padded[0]
    shape_place = type_place + padded[1]
    shape = shape_at(reader, shape_place)
    return name, read_values(reader, shape_place + padded[2], type_at(reader, type_place), shape)


def read_values(reader: Hdf5Reader, at: int, kind: Type, shape: tuple[int, ...] | None) -> Attribute:
    """Read values that lie in one run at `at`.

    Raises:
        BadFile: they do not all lie in the file, or a text is not UTF-8.
    """
    values = reader.array(at, kind.dtype.str, shape if shape is not None else (0,), "an attribute")
    if not kind.text:
        return values
    if values.size > _MOST_ELEMENTS:
        raise reader.bad(at, f"{values.size} texts")
    raw = [_variable(reader, at + 16 * i) for i in range(values.size)] if kind.variable else values.ravel().tolist()
    found = [text(reader, at, bytes(item).split(b"\0")[0]) for item in raw]
    return found[0] if shape == () else found


def _variable(reader: Hdf5Reader, at: int) -> bytes:
    size, collection, index = (reader.unsigned(at + o, n) for o, n in ((0, 4), (4, 8), (12, 4)))
    if not size:
        return b""
    reader.spend(at, size)
    held = global_object(reader, collection, index)
    if size > len(held):
        raise reader.bad(at, f"a text of {size} bytes; its object of the global heap has {len(held)}")
    return bytes(held[:size])
