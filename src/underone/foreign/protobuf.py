"""The wire format of protocol buffers: bounded and lazy, without schemas, shared by TensorFlow and Caffe.

A message is scanned once for where its fields lie; a field is decoded when it is asked for, and large ones are views of
the file. Nothing is copied, nothing recurses: whoever reads opens one message inside another, to `_DEEPEST` levels.

Source: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..errors import BadFile
from ..graph import Array

_DEEPEST = 32  # messages inside messages; a GraphDef with functions needs about 12
_MOST_FIELDS = 1 << 17  # of one message; the largest public networks have some 10,000 nodes
_CHUNK = 1 << 20  # bytes of packed varints that are decoded together

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_KIND = {_VARINT: "a varint", _FIXED64: "8 bytes", _BYTES: "a length and bytes", _FIXED32: "4 bytes"}


class Field(NamedTuple):
    """Where a field's value lies in its message."""

    wire: int
    start: int
    end: int


class Message:
    """One message: its fields by number, as proto3 reads them (absent: the neutral value; twice: the last counts)."""

    def __init__(self, data: memoryview, where: str, offset: int = 0, depth: int = 0) -> None:
        """Scan a message.

        Args:
            data: the bytes of the message.
            where: the file's name, for errors.
            offset: where the message begins in the file, for errors.
            depth: how many messages it lies in.

        Raises:
            BadFile: a field reaches beyond the end, has a wire type that does not exist, or there are too many fields
                or levels.
        """
        self.data, self.where, self.offset, self.depth = data, where, offset, depth
        self._fields: dict[int, list[Field]] = {}
        if depth > _DEEPEST:
            raise self.bad(0, f"a message inside {depth} others; at most {_DEEPEST} are read")
        self._scan()

    def bad(self, at: int, what: str) -> BadFile:
        """Give the error for the byte `at` of this message; the line names the file and the offset in it."""
        return BadFile(f"{self.where}, byte {self.offset + at}: {what}")

    def has(self, number: int) -> bool:
        """Say whether a field is there."""
        return number in self._fields

    def integer(self, number: int, default: int = 0) -> int:
        """Give an int32, int64, bool or enum."""
        found = self._last(number, _VARINT)
        return default if found is None else _signed(self._varint(found.start)[0])

    def number(self, number: int, default: float = 0.0) -> float:
        """Give a float."""
        found = self._last(number, _FIXED32)
        return default if found is None else float(np.frombuffer(self._view(found), "<f4")[0])

    def view(self, number: int) -> memoryview:
        """Give the bytes of a field, not copied."""
        found = self._last(number, _BYTES)
        return self.data[:0] if found is None else self._view(found)

    def text(self, number: int, default: str = "") -> str:
        """Give a string."""
        found = self._last(number, _BYTES)
        return default if found is None else self._text(found)

    def texts(self, number: int) -> list[str]:
        """Give a repeated string."""
        return [self._text(f) for f in self._all(number, _BYTES)]

    def views(self, number: int) -> list[memoryview]:
        """Give repeated bytes, not copied."""
        return [self._view(f) for f in self._all(number, _BYTES)]

    def message(self, number: int) -> "Message":
        """Give a message inside this one; an empty one when the field is absent."""
        found = self._last(number, _BYTES) or Field(_BYTES, 0, 0)
        return self._inner(found)

    def messages(self, number: int) -> Iterator["Message"]:
        """Give a repeated message, one after the other: each is scanned when its turn comes."""
        return map(self._inner, self._all(number, _BYTES))

    def integers(self, number: int, dtype: DTypeLike = np.int64) -> Array:
        """Give a repeated varint, packed or not; larger values are cut to `dtype` as C would."""
        parts = [self._integers(f, np.dtype(dtype)) for f in self._fields.get(number, ())]
        return np.concatenate(parts) if parts else np.zeros(0, dtype)

    def numbers(self, number: int, dtype: DTypeLike = np.float32) -> Array:
        """Give repeated numbers of a fixed size, packed or not; one packed block is a view of the file."""
        parts = [self._numbers(f, np.dtype(dtype)) for f in self._fields.get(number, ())]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros(0, dtype)

    def _scan(self) -> None:
        at, count, size = 0, 0, len(self.data)
        while at < size:
            begin = at
            key, at = self._varint(at)
            number, wire = key >> 3, key & 7
            start, at = self._extent(wire, at, begin)
            if at > size or not number:
                raise self.bad(begin, f"field {number} needs {at - start} bytes, {size - start} are left")
            count += 1
            if count > _MOST_FIELDS:
                raise self.bad(begin, f"a message of more than {_MOST_FIELDS} fields")
            self._fields.setdefault(number, []).append(Field(wire, start, at))

    def _extent(self, wire: int, at: int, begin: int) -> tuple[int, int]:
        """Give start and end of the value that follows a key."""
        if wire == _BYTES:
            length, start = self._varint(at)
            return start, start + length
        if wire == _VARINT:
            return at, self._varint(at)[1]
        if wire not in _FIXED_BYTES:
            raise self.bad(begin, f"wire type {wire}; 0, 1, 2 or 5 is required")
        return at, at + _FIXED_BYTES[wire]

    def _varint(self, at: int) -> tuple[int, int]:
        """Give an unsigned number and the place behind it."""
        value, begin = 0, at
        for shift in range(0, 70, 7):
            if at >= len(self.data):
                break
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, at
        raise self.bad(begin, "a varint does not end within 10 bytes of the message")

    def _all(self, number: int, wire: int) -> list[Field]:
        found = self._fields.get(number, [])
        for field in found:
            if field.wire != wire:
                raise self.bad(field.start, f"field {number} is {_KIND[field.wire]}; {_KIND[wire]} is required")
        return found

    def _last(self, number: int, wire: int) -> Field | None:
        found = self._all(number, wire)
        return found[-1] if found else None

    def _view(self, field: Field) -> memoryview:
        return self.data[field.start : field.end]

    def _text(self, field: Field) -> str:
        try:
            return str(self._view(field), "utf-8")
        except UnicodeDecodeError as error:
            raise self.bad(field.start + error.start, "a text that is not UTF-8") from error

    def _inner(self, field: Field) -> "Message":
        return Message(self._view(field), self.where, self.offset + field.start, self.depth + 1)

    def _integers(self, field: Field, dtype: np.dtype[Any]) -> Array:
        if field.wire not in (_VARINT, _BYTES):
            raise self.bad(field.start, f"{_KIND[field.wire]}; varints are required")
        data = np.frombuffer(self._view(field), np.uint8)
        parts, at = [], 0
        while at < len(data):
            ends = np.flatnonzero(data[at : at + _CHUNK] < 0x80)
            if not len(ends):
                break
            parts.append(self._varints(data[at : at + ends[-1] + 1], ends, field.start + at).astype(dtype))
            at += int(ends[-1]) + 1
        if at < len(data):
            raise self.bad(field.start + at, "packed varints do not end")
        return np.concatenate(parts) if parts else np.zeros(0, dtype)

    def _varints(self, data: Array, ends: Array, at: int) -> Array:
        """Decode varints that end at `ends`, as int64."""
        starts = np.concatenate([[0], ends[:-1] + 1])
        lengths = ends - starts + 1
        if lengths.max() > 10:
            raise self.bad(at + int(starts[lengths.argmax()]), "a varint of more than 10 bytes")
        values = np.zeros(len(ends), np.uint64)
        for k in range(int(lengths.max())):
            longer = lengths > k
            values[longer] |= (data[starts[longer] + k] & 0x7F).astype(np.uint64) << np.uint64(7 * k)
        return values.view(np.int64)

    def _numbers(self, field: Field, dtype: np.dtype[Any]) -> Array:
        fixed = _FIXED_BYTES.get(field.wire, dtype.itemsize)
        length = field.end - field.start
        if field.wire == _VARINT or fixed != dtype.itemsize or length % fixed:
            raise self.bad(field.start, f"{_KIND[field.wire]} ({length} bytes); numbers of {dtype} are required")
        return np.frombuffer(self._view(field), dtype.newbyteorder("<"))


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
