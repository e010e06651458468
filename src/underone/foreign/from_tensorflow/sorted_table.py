"""Sorted string tables: the file of LevelDB in which TensorFlow keeps checkpoints. Names with values, in blocks.

Source: github.com/google/leveldb, doc/table_format.md; tensorflow/core/lib/io/{format,block}.cc.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ..bounded import Reader
from .crc32c import crc32c, masked
from .snappy import decompress

MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER, _TRAILER = 48, 5
_PLAIN, _SNAPPY = 0, 1
_SPARE = 1 << 26  # bytes that a small file may become


@dataclass
class _Budget:
    """Bytes of blocks and names that may still be made."""

    left: int

    def spend(self, block: Reader, at: int, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise block.bad(at, "the table becomes more than four times its size")


def is_table(file: Reader) -> bool:
    """Whether a file ends as a table does."""
    return len(file) >= _FOOTER and bytes(file.data[-8:]) == MAGIC


def read_table(file: Reader) -> Iterator[tuple[bytes, Reader]]:
    """Give names and values, in the order of the names.

    Raises:
        BadFile: it is no table, a block is damaged or its checksum wrong, or names are not in order.
    """
    if not is_table(file):
        raise file.bad(max(len(file) - 8, 0), "the file does not end as a table of TensorFlow does; it is cut, or none")
    budget = _Budget(4 * len(file) + _SPARE)
    footer = file.part(len(file) - _FOOTER, _FOOTER - 8, "the end of the table")
    _, at = _handle(footer, 0)
    (offset, size), _ = _handle(footer, at)
    last: bytes | None = None
    for _, place in _entries(_block(file, offset, size, budget), budget):
        (offset, size), _ = _handle(place, 0)
        block = _block(file, offset, size, budget)
        for name, value in _entries(block, budget):
            if last is not None and name <= last:
                raise value.bad(0, f"the name {name[:40]!r} follows {last[:40]!r}; names must be in order")
            last = name
            yield name, value


def _block(file: Reader, offset: int, size: int, budget: _Budget) -> Reader:
    """Give the content of a block; its checksum is compared first."""
    budget.spend(file, offset, size)
    whole = file.part(offset, size + _TRAILER, "a block of the table")
    kind, stored = whole.number(size, "<B", "the kind of a block"), whole.number(size + 1, "<I", "a checksum")
    found = masked(crc32c(whole.data[: size + 1]))
    if found != stored:
        raise whole.bad(size + 1, f"the checksum of a block is {stored:#010x}, its bytes give {found:#010x}")
    content = whole.part(0, size, "a block")
    if kind == _PLAIN:
        return content
    if kind != _SNAPPY:
        raise whole.bad(size, f"a block is compressed by method {kind}; 0 (none) or 1 (snappy) is required")
    data = decompress(content, budget.left)
    budget.spend(content, 0, len(data))
    return Reader(data, f"{file.where}, unpacked block at byte {offset}")


def _entries(block: Reader, budget: _Budget) -> Iterator[tuple[bytes, Reader]]:
    """Give the names and values of a block; a name begins with as much of the one before as is said."""
    count = block.number(len(block) - 4, "<I", "the number of restarts of a block")
    end = len(block) - 4 - 4 * count
    if end < 0:
        raise block.bad(len(block) - 4, f"a block of {len(block)} bytes with {count} restarts")
    at, name = 0, b""
    while at < end:
        shared, start = _varint(block, at)
        own, start = _varint(block, start)
        size, start = _varint(block, start)
        if shared > len(name) or start + own + size > end:
            raise block.bad(at, f"an entry shares {shared} of {len(name)} bytes and has {own} + {size} more")
        budget.spend(block, at, shared + own)
        name = name[:shared] + bytes(block.take(start, own, "a name"))
        yield name, block.part(start + own, size, "a value")
        at = start + own + size


def _handle(reader: Reader, at: int) -> tuple[tuple[int, int], int]:
    """Give (offset, size) of a block, and the place behind."""
    offset, at = _varint(reader, at)
    size, at = _varint(reader, at)
    return (offset, size), at


def _varint(reader: Reader, at: int) -> tuple[int, int]:
    value = 0
    for i in range(10):
        byte = reader.number(at + i, "<B", "a number")
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, at + i + 1
    raise reader.bad(at, "a number does not end within 10 bytes")
