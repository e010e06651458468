"""Object headers: what a group or a dataset is, as a list of typed messages."""

from collections.abc import Iterator
from dataclasses import dataclass

from .reader import Hdf5Reader

DATASPACE, LINK_INFO, DATATYPE, LINK, LAYOUT, FILTERS = 0x01, 0x02, 0x03, 0x06, 0x08, 0x0B
ATTRIBUTE, CONTINUATION, SYMBOL_TABLE, ATTRIBUTE_INFO = 0x0C, 0x10, 0x11, 0x15

_MOST_BLOCKS = 4096  # of one header; h5py writes one or two
_SHARED, _ORDERED, _PHASES, _TIMES = 0x02, 0x04, 0x10, 0x20  # flags


@dataclass(frozen=True)
class Message:
    """One message of an object header: its type, and where its body lies in the file."""

    kind: int
    at: int
    size: int
    shared: bool


@dataclass(frozen=True)
class _Block:
    """A run of messages; `prefix` is the size of what stands before each body."""

    at: int
    size: int
    prefix: int
    checksum: int = 0


def messages(reader: Hdf5Reader, at: int) -> list[Message]:
    """Read the object header at `at`.

    Raises:
        BadFile: no header lies there, or its blocks form a circle.
        Unsupported: a version of headers that is not known.
    """
    blocks = [_first_block(reader, at)]
    seen, found = {blocks[0].at}, []
    while blocks:
        block = blocks.pop()
        for message in _walk(reader, block):
            if message.kind != CONTINUATION:
                found.append(message)
                continue
            following = _continuation(reader, message, block)
            if following.at in seen or len(seen) > _MOST_BLOCKS:
                raise reader.bad(message.at, "the blocks of an object header form a circle")
            seen.add(following.at)
            blocks.append(following)
    return found


def _first_block(reader: Hdf5Reader, at: int) -> _Block:
    if reader.has(at, b"OHDR"):
        return _new_block(reader, at)
    version = reader.unsigned(at, 1)
    if version != 1:
        raise reader.bad(at, f"an object header was expected here, not a byte {version}")
    return _Block(at + 16, reader.unsigned(at + 8, 4), prefix=8)


def _new_block(reader: Hdf5Reader, at: int) -> _Block:
    version, flags = reader.unsigned(at + 4, 1), reader.unsigned(at + 5, 1)
    if version != 2:
        raise reader.unsupported(at, f"object header of version {version}; 1 and 2 are read")
    start = at + 6 + (16 if flags & _TIMES else 0) + (4 if flags & _PHASES else 0)
    width = 1 << (flags & 3)
    return _Block(start + width, reader.unsigned(start, width), prefix=6 if flags & _ORDERED else 4, checksum=4)


def _continuation(reader: Hdf5Reader, message: Message, block: _Block) -> _Block:
    at, size = reader.unsigned(message.at, 8), reader.unsigned(message.at + 8, 8)
    if not block.checksum:
        return _Block(at, size, block.prefix)
    if not reader.has(at, b"OCHK"):
        raise reader.bad(at, "a continued object header was expected here")
    return _Block(at + 4, size - 8, block.prefix, block.checksum)


def _walk(reader: Hdf5Reader, block: _Block) -> Iterator[Message]:
    at, end = block.at, block.at + block.size
    reader.view(block.at, block.size)  # the whole block lies in the file
    old = not block.checksum
    while at + block.prefix <= end:
        kind = reader.unsigned(at, 2 if old else 1)
        size = reader.unsigned(at + 2 if old else at + 1, 2)
        flags = reader.unsigned(at + 4 if old else at + 3, 1)
        if at + block.prefix + size > end:
            raise reader.bad(at, f"a message of {size} bytes reaches beyond its object header")
        yield Message(kind, at + block.prefix, size, bool(flags & _SHARED))
        at += block.prefix + size
