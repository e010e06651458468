"""The numbers of a dataset: contiguous or compact ones are views of the file, chunks are unpacked and put together."""

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph import Array
from .attributes import NOWHERE
from .btree import leaves
from .header import Message
from .reader import Hdf5Reader

_COMPACT, _CONTIGUOUS, _CHUNKED = 0, 1, 2
_DEFLATE, _SHUFFLE, _CHECKSUM = 1, 2, 3
_FILTERS = {4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}


@dataclass(frozen=True)
class Chunks:
    """How a chunked dataset lies in the file.

    Attributes:
        tree: address of the B-tree of its chunks.
        sizes: of a chunk, along each axis.
        filters: ids, in the order in which they were applied.
        dtype: of an element.
    """

    tree: int
    sizes: tuple[int, ...]
    filters: tuple[int, ...]
    dtype: np.dtype[Any]


def read_data(
    reader: Hdf5Reader, layout: Message, filters: Message | None, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> Array:
    """Read a dataset.

    Raises:
        BadFile: its data is damaged, not in the file, or unpacks to far more than the file.
        Unsupported: a layout or a filter that is not read.
    """
    at = layout.at
    version, form = reader.unsigned(at, 1), reader.unsigned(at + 1, 1)
    if version not in (3, 4) or (version == 4 and form == _CHUNKED):
        raise reader.unsupported(at, f"a dataset of layout version {version}, class {form}; write it for older readers")
    if form == _COMPACT:
        return reader.array(at + 4, dtype.str, shape, "a dataset")
    if form == _CONTIGUOUS:
        return _contiguous(reader, at, dtype, shape)
    if form != _CHUNKED:
        raise reader.unsupported(at, f"a dataset of layout class {form}")
    rank = reader.unsigned(at + 2, 1) - 1
    if rank != len(shape):
        raise reader.bad(at, f"chunks of {rank} axes; the dataset has {len(shape)}")
    sizes = tuple(reader.unsigned(at + 11 + 4 * i, 4) for i in range(rank))
    chunks = Chunks(reader.unsigned(at + 3, 8), sizes, filter_ids(reader, filters), dtype)
    return _chunked(reader, at, chunks, shape)


def filter_ids(reader: Hdf5Reader, message: Message | None) -> tuple[int, ...]:
    """Read which filters a dataset went through.

    Raises:
        Unsupported: one of them is not read.
    """
    if message is None:
        return ()
    version, count = reader.unsigned(message.at, 1), reader.unsigned(message.at + 1, 1)
    at, found = message.at + (8 if version == 1 else 2), []
    for _ in range(count):
        number = reader.unsigned(at, 2)
        named = version == 1 or number >= 256
        length = reader.unsigned(at + 2, 2) if named else 0
        values = reader.unsigned(at + (6 if named else 4), 2)
        at += (8 if named else 6) + (-(-length // 8) * 8 if version == 1 else length)
        at += 4 * (values + (values & 1 if version == 1 else 0))
        if number not in (_DEFLATE, _SHUFFLE, _CHECKSUM):
            name = _FILTERS.get(number, f"number {number}")
            raise reader.unsupported(message.at, f"filter {name}; deflate, shuffle and checksums are read")
        found.append(number)
    return tuple(found)


def _contiguous(reader: Hdf5Reader, at: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    place = reader.unsigned(at + 2, 8)
    if place == NOWHERE:
        if math.prod(shape):
            raise reader.bad(at, f"a dataset of shape {shape} without data")
        return np.zeros(shape, dtype)
    found = reader.array(place, dtype.str, shape, "a dataset")
    reader.spend(at, found.nbytes)
    return found


def _chunked(reader: Hdf5Reader, at: int, chunks: Chunks, shape: tuple[int, ...]) -> Array:
    if 0 in chunks.sizes or any(d < 0 for d in shape):
        raise reader.bad(at, f"chunks of {chunks.sizes}")
    reader.spend(at, math.prod(shape) * chunks.dtype.itemsize)
    out = np.zeros(shape, chunks.dtype)
    if chunks.tree == NOWHERE:
        return out
    rank = len(shape)
    for slot in leaves(reader, chunks.tree, kind=1, key_size=16 + 8 * rank):
        size, skipped = reader.unsigned(slot.key_at, 4), reader.unsigned(slot.key_at + 4, 4)
        corner = [reader.unsigned(slot.key_at + 8 + 8 * i, 8) for i in range(rank)]
        if any(c >= d for c, d in zip(corner, shape, strict=True)):
            raise reader.bad(slot.key_at, f"a chunk at {tuple(corner)}; the dataset has shape {shape}")
        chunk = _unpack(reader, slot.child, size, skipped, chunks)
        where = tuple(slice(c, c + s) for c, s in zip(corner, chunks.sizes, strict=True))
        inside = tuple(slice(0, d - c) for c, d in zip(corner, shape, strict=True))
        out[where] = chunk[inside]
    return out


def _unpack(reader: Hdf5Reader, at: int, size: int, skipped: int, chunks: Chunks) -> Array:
    """Undo the filters of a chunk, the last one first; bit i of `skipped`: filter i was not applied."""
    data: bytes | memoryview = reader.take(at, size, "a chunk")
    wanted = math.prod(chunks.sizes) * chunks.dtype.itemsize
    reader.spend(at, wanted)
    for i in reversed(range(len(chunks.filters))):
        if skipped >> i & 1:
            continue
        if chunks.filters[i] == _CHECKSUM:
            data = data[:-4]
        elif chunks.filters[i] == _DEFLATE:
            data = _inflate(reader, at, data, wanted + 4)
        else:
            data = _unshuffle(data, chunks.dtype.itemsize)
    if len(data) != wanted:
        raise reader.bad(at, f"a chunk unpacks to {len(data)} bytes; {wanted} are required")
    return np.frombuffer(data, chunks.dtype).reshape(chunks.sizes)


def _inflate(reader: Hdf5Reader, at: int, data: bytes | memoryview, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error as error:
        raise reader.bad(at, f"a chunk that cannot be unpacked: {error}") from error


def _unshuffle(data: bytes | memoryview, size: int) -> bytes:
    """Put the bytes of each element together again: the first bytes of all stand first, then the second ones."""
    raw = np.frombuffer(data, np.uint8)
    whole = len(raw) // size * size
    return raw[:whole].reshape(size, -1).T.tobytes() + raw[whole:].tobytes()
