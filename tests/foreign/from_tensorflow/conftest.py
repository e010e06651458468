"""Graphs and tables of TensorFlow written by hand, for what TensorFlow itself does not write."""

from types import SimpleNamespace

import pytest

from underone.foreign.from_tensorflow.crc32c import crc32c, masked
from underone.foreign.from_tensorflow.sorted_table import MAGIC


def varint(value):
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value >= 0x80 else bytes([value])


def field(number, payload):
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def node(name, op, inputs=(), **attrs):
    body = field(1, name.encode()) + field(2, op.encode()) + b"".join(field(3, i.encode()) for i in inputs)
    return field(1, body + b"".join(field(5, field(1, k.encode()) + field(2, v)) for k, v in attrs.items()))


def constant(name, sizes, data=b"", dtype=1):
    shape = b"".join(field(2, field(1, size)) for size in sizes)
    return node(name, "Const", dtype=field(6, dtype), value=field(8, field(1, dtype) + field(2, shape) + data))


def picture():
    shape = b"".join(field(2, field(1, size)) for size in (1, 4, 4, 3))
    return node("x", "Placeholder", dtype=field(6, 1), shape=field(7, shape))


def block(entries):
    """Give a block of a table in which no name shares anything."""
    parts = [b"\0" + varint(len(name)) + varint(len(value)) + name + value for name, value in entries.items()]
    return b"".join(parts) + bytes(4) + b"\x01\0\0\0"


def table(blocks):
    """Give a table of blocks that are (content, kind of compression), named A, B, C …"""
    out, places = b"", {}
    for i, (content, kind) in enumerate(blocks):
        places[bytes([65 + i])] = varint(len(out)) + varint(len(content))
        out += content + trailer(content, kind)
    index = block(places)
    place = varint(len(out)) + varint(len(index))
    return out + index + trailer(index, 0) + (b"\0\0" + place).ljust(40, b"\0") + MAGIC


def trailer(content, kind):
    return bytes([kind]) + masked(crc32c(memoryview(content + bytes([kind])))).to_bytes(4, "little")


@pytest.fixture(scope="session")
def by_hand():
    return SimpleNamespace(
        varint=varint, field=field, node=node, constant=constant, picture=picture, block=block, table=table
    )
