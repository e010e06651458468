"""Bounded reading: a window on the bytes of a file that gives nothing from outside it."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadFile
from ..files import read_file
from ..graph import Array

_SLACK = 1 << 26  # bytes that may be made of even the smallest file
LARGEST_FILE = 1 << 31  # bytes; nothing that a mobile network is stored in is near it
MOST_AXES = 8


@dataclass(frozen=True)
class Reader:
    """The bytes of a file, or a part of it.

    Attributes:
        data: the bytes; a view, so that parts cost nothing.
        where: the file's name, for messages.
        start: offset of the first byte in the file, for messages.
    """

    data: memoryview
    where: str
    start: int = 0

    def __len__(self) -> int:
        return len(self.data)

    def bad(self, offset: int, what: str) -> BadFile:
        """Give (not raise) the error that names the file, the offset and what is wrong there."""
        return BadFile(f"{self.where}, byte {self.start + offset}: {what}")

    def take(self, offset: int, size: int, what: str) -> memoryview:
        """Give `size` bytes from `offset` on.

        Raises:
            BadFile: they are not all inside; `what` is named.
        """
        if offset < 0 or size < 0 or offset + size > len(self.data):
            raise self.bad(offset, f"{what} needs {size} bytes; the file has {max(len(self.data) - offset, 0)} there")
        return self.data[offset : offset + size]

    def part(self, offset: int, size: int, what: str) -> "Reader":
        """Give a Reader of `size` bytes from `offset` on.

        Raises:
            BadFile: they are not all inside.
        """
        return Reader(self.take(offset, size, what), self.where, self.start + offset)

    def number(self, offset: int, form: str, what: str) -> Any:
        """Give one number in the notation of `struct`, for example "<i".

        Raises:
            BadFile: it is not inside.
        """
        return struct.unpack(form, self.take(offset, struct.calcsize(form), what))[0]

    def array(self, offset: int, dtype: str, shape: Sequence[int], what: str) -> Array:
        """Give an array, a view of the file's bytes; its size is checked before anything is allocated.

        Args:
            offset: of its first byte.
            dtype: numpy's notation with byte order, for example "<f4".
            shape: sizes from 0 up.
            what: is named in an error.

        Raises:
            BadFile: the shape is impossible, or the array is not inside.
        """
        size = checked_elements(self, offset, shape, what) * np.dtype(dtype).itemsize
        return np.frombuffer(self.take(offset, size, what), dtype).reshape(tuple(shape))


class Budget:
    """How many bytes may still be made of a file; so that a small file cannot ask for all memory."""

    def __init__(self, reader: Reader, times: int = 4) -> None:
        self.reader, self.total = reader, times * len(reader) + _SLACK
        self.left = self.total

    def spend(self, size: int, what: str) -> None:
        """Take `size` bytes for `what`.

        Raises:
            BadFile: that is more than is left.
        """
        if size > self.left:
            raise BadFile(
                f"{self.reader.where}: {what} needs {size} bytes; of the {self.total} that a file of "
                f"{len(self.reader)} bytes may become, {self.left} are left"
            )
        self.left -= size


def checked_elements(reader: Reader, offset: int, shape: Sequence[int], what: str) -> int:
    """Count the elements of a shape.

    Raises:
        BadFile: a size is negative, or there are more than 8 axes.
    """
    if len(shape) > MOST_AXES or any(d < 0 for d in shape):
        raise reader.bad(offset, f"{what} has shape {tuple(shape[:MOST_AXES])}; up to {MOST_AXES} sizes >= 0 are valid")
    return math.prod(shape)


def open_file(path: Path, largest: int = LARGEST_FILE) -> Reader:
    """Read a whole file.

    Raises:
        BadFile: it cannot be read, or is larger than `largest` bytes.
    """
    return Reader(memoryview(read_file(path, largest)), str(path))
