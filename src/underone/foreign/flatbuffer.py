"""FlatBuffers: tables, vectors and texts of a file, every offset checked before it is followed; without schemas.

Nothing is copied and nothing recurses: whoever reads follows one offset at a time.

Source: flatbuffers.dev/internals (encoding).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..graph import Array
from .bounded import Reader

_MOST_TABLES = 1 << 17  # in one vector; the largest public networks have some 10,000 operators
_LONGEST_TEXT = 1 << 20  # bytes


class Table:
    """One table: its fields by slot number, as the schema counts them."""

    def __init__(self, reader: Reader, at: int) -> None:
        """Find the table's list of fields.

        Raises:
            BadFile: the table or its list is not inside the file.
        """
        self.reader, self.at = reader, at
        self._fields = at - reader.number(at, "<i", "a table")
        self._size = reader.number(self._fields, "<H", "the list of a table's fields")
        if self._size < 4 or self._size % 2:
            raise reader.bad(self._fields, f"the list of a table's fields has {self._size} bytes; 4, 6, … are valid")
        reader.take(self._fields, self._size, "the list of a table's fields")

    def where(self, slot: int) -> int:
        """Give the offset of a field; 0 where the table lacks it."""
        position = 4 + 2 * slot
        if position + 2 > self._size:
            return 0
        distance = self.reader.number(self._fields + position, "<H", "a field")
        return self.at + distance if distance else 0

    def number(self, slot: int, form: str, default: Any = 0) -> Any:
        """Give a number in the notation of `struct`, for example "<i"."""
        at = self.where(slot)
        return self.reader.number(at, form, f"field {slot}") if at else default

    def table(self, slot: int) -> "Table | None":
        """Give a table; None where there is none."""
        at = self.where(slot)
        return Table(self.reader, self._follow(at)) if at else None

    def numbers(self, slot: int, dtype: str) -> Array:
        """Give a vector of numbers, a view of the file, in numpy's notation, for example "<i4"; empty where none is."""
        at = self.where(slot)
        if not at:
            return np.zeros(0, dtype)
        start, count = self._vector(at)
        return self.reader.array(start, dtype, (count,), f"field {slot} of {count} elements")

    def tables(self, slot: int) -> "list[Table]":
        """Give a vector of tables; empty where there is none.

        Raises:
            BadFile: there are more than 131,072, or one is not inside the file.
        """
        return list(self._each(slot))

    def text(self, slot: int) -> str:
        """Give a text; bytes that are no UTF-8 are replaced."""
        at = self.where(slot)
        if not at:
            return ""
        start, count = self._vector(at)
        if count > _LONGEST_TEXT:
            raise self.reader.bad(start, f"a text of {count} bytes; at most {_LONGEST_TEXT} are read")
        return bytes(self.reader.take(start, count, "a text")).decode(errors="replace")

    def _each(self, slot: int) -> "Iterator[Table]":
        at = self.where(slot)
        if not at:
            return
        start, count = self._vector(at)
        if count > _MOST_TABLES:
            raise self.reader.bad(start, f"{count} tables; at most {_MOST_TABLES} are read")
        self.reader.take(start, 4 * count, f"{count} tables")
        for i in range(count):
            yield Table(self.reader, self._follow(start + 4 * i))

    def _vector(self, at: int) -> tuple[int, int]:
        """Give (offset of the first element, number of elements)."""
        start = self._follow(at)
        return start + 4, self.reader.number(start, "<I", "the length of a vector")

    def _follow(self, at: int) -> int:
        distance: int = self.reader.number(at, "<I", "an offset")
        if distance == 0:
            raise self.reader.bad(at, "an offset of 0 leads nowhere")
        return at + distance


def root_table(reader: Reader) -> Table:
    """Give the table that the file begins with.

    Raises:
        BadFile: it is not inside the file.
    """
    return Table(reader, reader.number(0, "<I", "the offset of the first table"))
