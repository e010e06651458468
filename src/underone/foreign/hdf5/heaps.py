"""Heaps: where names, variable strings, and the links and attributes of large groups are kept."""

from .btree import bytes_for
from .reader import Hdf5Reader

_MANAGED = 0  # kind of an object, bits 4 and 5 of its id
_DEEPEST = 16


def local_name(reader: Hdf5Reader, heap: int, offset: int) -> str:
    """Read a name of an old group from its local heap.

    Raises:
        BadFile: no heap lies there, the name does not end in it, or is not UTF-8.
    """
    if not reader.has(heap, b"HEAP"):
        raise reader.bad(heap, "a local heap was expected here")
    size, data = reader.unsigned(heap + 8, 8), reader.unsigned(heap + 24, 8)
    held = bytes(reader.view(data, size)[offset : offset + 4096])
    end = held.find(b"\0")
    if end < 0:
        raise reader.bad(data, f"a name at {offset} does not end in its heap of {size} bytes")
    return text(reader, data + offset, held[:end])


def global_object(reader: Hdf5Reader, collection: int, index: int) -> memoryview:
    """Give an object of the global heap.

    Raises:
        BadFile: no collection lies there, or it has no such object.
    """
    if not reader.has(collection, b"GCOL"):
        raise reader.bad(collection, "a collection of the global heap was expected here")
    end = collection + reader.unsigned(collection + 8, 8)
    at = collection + 16
    while at + 16 <= end:
        found, size = reader.unsigned(at, 2), reader.unsigned(at + 8, 8)
        if found == index:
            return reader.view(at + 16, size)
        if not found:
            break  # the free space behind all objects
        at += 16 + -(-size // 8) * 8
    raise reader.bad(collection, f"the global heap has no object {index} here")


def text(reader: Hdf5Reader, at: int, raw: bytes) -> str:
    """Decode a name or a string; `at` is for the error."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise reader.bad(at + error.start, "a text that is not UTF-8") from error


class FractalHeap:
    """A heap of doubling blocks, where new groups keep many links or attributes."""

    def __init__(self, reader: Hdf5Reader, at: int) -> None:
        """Read the header.

        Raises:
            BadFile: no such heap lies there, or its sizes make no sense.
            Unsupported: its blocks are compressed.
        """
        if not reader.has(at, b"FRHP"):
            raise reader.bad(at, "a fractal heap was expected here")
        if reader.unsigned(at + 7, 2):
            raise reader.unsupported(at, "a compressed heap; write the file without")
        self.reader, self.at = reader, at
        self.width, self.start, self.largest = (reader.unsigned(at + o, n) for o, n in ((110, 2), (112, 8), (120, 8)))
        bits, most = reader.unsigned(at + 128, 2), reader.unsigned(at + 10, 4)
        self.root, self.rows = reader.unsigned(at + 132, 8), reader.unsigned(at + 140, 2)
        powers = all(v and v & (v - 1) == 0 for v in (self.width, self.start, self.largest))
        if not powers or self.start > self.largest or not 0 < bits <= 64 or self.rows > 64:
            raise reader.bad(at, f"a heap of {self.width} blocks of {self.start} to {self.largest} bytes")
        self.offset_width = -(-bits // 8)
        self.length_width = min(bytes_for(self.largest - 1), bytes_for(most))
        self.direct_rows = (self.largest // self.start).bit_length() + 1

    def object(self, at: int) -> tuple[int, int]:
        """Give place and size of the object whose id lies at `at`.

        Raises:
            BadFile: the id names no block of the heap.
            Unsupported: the object is larger than what the heap holds in its blocks.
        """
        if self.reader.unsigned(at, 1) >> 4 & 3 != _MANAGED:
            raise self.reader.unsupported(at, "an object of the heap that lies outside of its blocks")
        offset = self.reader.unsigned(at + 1, self.offset_width)
        size = self.reader.unsigned(at + 1 + self.offset_width, self.length_width)
        block, first = self._block(offset)
        return block + offset - first, size

    def _block(self, offset: int) -> tuple[int, int]:
        """Find the direct block that holds `offset`: its place, and the offset where it begins."""
        at, rows, first = self.root, self.rows, 0
        for _ in range(_DEEPEST):
            if not rows:
                self._check(at, b"FHDB")
                return at, first
            self._check(at, b"FHIB")
            row, column, begin = self._cell(offset - first)
            if row >= rows:
                break
            first += begin
            entry = at + 13 + self.offset_width + 8 * (row * self.width + column)
            at = self.reader.unsigned(entry, 8)
            rows = 0 if row < self.direct_rows else row - (self.width.bit_length() - 1)
        raise self.reader.bad(self.at, f"the heap has no block for its offset {offset}")

    def _cell(self, offset: int) -> tuple[int, int, int]:
        """Give row, column and first offset of the block that holds `offset`; rows double from the third on."""
        row = (offset // (self.start * self.width)).bit_length()
        size = self.start << max(row - 1, 0)
        before = self.start * self.width << row - 1 if row else 0
        column = (offset - before) // size
        return row, column, before + column * size

    def _check(self, at: int, signature: bytes) -> None:
        if not self.reader.has(at, signature):
            raise self.reader.bad(at, f"a block {signature.decode()} of a heap was expected here")
