"""Checkpoints of version 2: a table that says where in which shard of data each variable lies.

Source: tensorflow/core/protobuf/tensor_bundle.proto, trackable_object_graph.proto; core/util/tensor_bundle.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import BadFile, Unsupported
from ...graph import Array
from ..bounded import Reader, open_file
from ..protobuf import Message
from .crc32c import crc32c, masked
from .slices import Extent, Piece, joined, lengths, read_extents
from .sorted_table import read_table
from .tensor_proto import DTYPES, dtype_of, fixed_shape, stored_numbers

_MOST_SHARDS = 1 << 12
_STRING = 7
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"


class Variables(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        tensors: arrays by name.
        notes: sentences about what was left out.
        keys: name of each array by its key in the checkpoint.
    """

    tensors: dict[str, Array]
    notes: tuple[str, ...]
    keys: Mapping[str, str]


def read_bundle(index: Path) -> Variables:
    """Read all variables of a checkpoint.

    Args:
        index: path of the table, NAME.index; the shards NAME.data-00000-of-00001 lie beside it.

    Raises:
        BadFile: a shard is missing, something is damaged, or a checksum is wrong.
        Unsupported: it was written on a machine of the other byte order.
    """
    return _Bundle(index).read()


@dataclass
class _Bundle:
    index: Path
    entries: dict[bytes, Message] = field(default_factory=dict)
    shards: dict[int, Reader] = field(default_factory=dict)
    taken: dict[int, int] = field(default_factory=dict)  # bytes of each shard that were given
    count: int = 0

    def read(self) -> Variables:
        for name, value in read_table(open_file(self.index)):
            self.entries[name] = Message(value.data, value.where, value.start)
        header = self.entries.pop(b"", None)
        if header is None:
            raise BadFile(f"{self.index} has no header; a table of a checkpoint is required")
        self.count = header.integer(1)
        if not 1 <= self.count <= _MOST_SHARDS:
            raise header.bad(0, f"a checkpoint of {self.count} shards; 1 to {_MOST_SHARDS} are read")
        if header.integer(2):
            raise Unsupported(f"{self.index} was written on a machine of the other byte order")
        tensors: dict[str, Array] = {}
        notes: list[str] = []
        for name, entry in self.entries.items():
            if name[:1] == b"\0":  # a piece of a variable
                continue
            key = self.text(name, entry)
            if entry.integer(1) in DTYPES:
                tensors[key] = self.array(name, entry)
            elif key != _OBJECTS:
                notes.append(f"{key!r} holds no numbers")
        names = _alike(self.names(), tensors)
        return Variables({names.get(k, k): a for k, a in tensors.items()}, tuple(notes), names)

    def text(self, name: bytes, entry: Message) -> str:
        try:
            return name.decode()
        except UnicodeDecodeError as error:
            raise entry.bad(0, f"the name {name[:40]!r} is no text") from error

    def array(self, name: bytes, entry: Message) -> Array:
        shape = fixed_shape(entry.message(2))
        extents = [read_extents(m) for m in entry.messages(7)]
        if not extents:
            return self.stored(entry, shape)
        pieces = []
        for part in extents:
            piece = self.entries.get(slice_key(name, part))
            if piece is None:
                raise entry.bad(0, f"the piece {part} of {name.decode()!r} is not there")
            pieces.append(Piece(part, self.stored(piece, lengths(part, shape, entry))))
        return joined(pieces, shape, entry)

    def stored(self, entry: Message, shape: tuple[int, ...]) -> Array:
        """Give the numbers that an entry points at."""
        if fixed_shape(entry.message(2)) != shape:
            raise entry.bad(0, f"an entry of shape {fixed_shape(entry.message(2))}; {shape} is required")
        dtype_of(entry.integer(1), entry)
        raw = self.bytes_of(entry)
        if entry.has(6):
            (wanted,), found = entry.numbers(6, "<u4")[-1:], masked(crc32c(raw))
            if wanted != found:
                raise entry.bad(0, f"the checksum of its data is {wanted:#010x}, the bytes give {found:#010x}")
        return stored_numbers(raw, entry.integer(1), entry, math.prod(shape)).reshape(shape)

    def bytes_of(self, entry: Message) -> memoryview:
        number, offset, size = entry.integer(3), entry.integer(4), entry.integer(5)
        if not 0 <= number < self.count:
            raise entry.bad(0, f"an entry in shard {number} of {self.count}")
        if number not in self.shards:
            name = f"{self.index.stem}.data-{number:05d}-of-{self.count:05d}"
            self.shards[number] = open_file(self.index.with_name(name))
        found = self.shards[number].take(offset, size, "a variable")
        self.taken[number] = self.taken.get(number, 0) + size
        if self.taken[number] > len(self.shards[number]):
            raise entry.bad(0, "variables lie on one another")
        return found

    def names(self) -> dict[str, str]:
        """Give the names that layers gave their variables, by key; none where the checkpoint does not tell them."""
        entry = self.entries.get(_OBJECTS.encode())
        if entry is None or entry.integer(1) != _STRING:
            return {}
        raw = self.bytes_of(entry)
        shard = self.shards[entry.integer(3)]
        start = entry.integer(4) + _text_start(raw, entry)
        graph = Message(raw[_text_start(raw, entry) :], shard.where, start)
        return {a.text(3): a.text(2) for node in graph.messages(1) for a in node.messages(2) if a.text(2)}


def _alike(names: Mapping[str, str], tensors: Mapping[str, Array]) -> dict[str, str]:
    """Leave out names that stand for different arrays; those of one that is stored twice stay."""
    first: dict[str, Array] = {}
    different = set()
    for key, name in names.items():
        value = tensors.get(key)
        if value is not None and not np.array_equal(first.setdefault(name, value), value):
            different.add(name)
    return {key: name for key, name in names.items() if name not in different}


def _text_start(raw: memoryview, entry: Message) -> int:
    """Give where the one string of an entry begins: behind its length and a checksum of that."""
    for at, byte in enumerate(raw[:10]):
        if byte < 0x80:
            return at + 1 + 4
    raise entry.bad(0, "the length of a text does not end within 10 bytes")


def slice_key(name: bytes, extents: tuple[Extent, ...]) -> bytes:
    """Give the key under which a piece of a variable is stored.

    Source: tensorflow/core/util/saved_tensor_slice_util.cc, EncodeTensorNameSlice; core/lib/strings/ordered_code.cc.
    """
    escaped = b"".join({b"\0": b"\0\xff", b"\xff": b"\xff\0"}.get(c, c) for c in (bytes([b]) for b in name))
    numbers = b"".join(ordered(n) for extent in extents for n in extent)
    count = bytes([1, len(extents)]) if extents else b"\0"
    return b"\0" + escaped + b"\0\x01" + count + numbers


def ordered(value: int) -> bytes:
    """Write a signed number so that bytes compare as numbers do."""
    size = next(n for n in range(1, 11) if (~value if value < 0 else value) < 1 << (7 * n - 1))
    header = ((1 << size) - 1) << (16 - size)  # as many leading ones as bytes
    raw = bytearray((value & (1 << 8 * size) - 1).to_bytes(size, "big"))
    raw[0] ^= header >> 8
    if size > 1:
        raw[1] ^= header & 0xFF
    return bytes(raw)
