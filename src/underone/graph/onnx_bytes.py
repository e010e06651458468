"""Parse an ONNX file but for its weights, which stay where they are: protobuf would copy them, twice.

Protobuf's wire format: a field is a key, field number * 8 + kind, and a value; a message inside another one has its
length in front. Only three kinds of fields are looked for: the graph of a model, the initializers of a graph, their raw
data.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

GRAPH, INITIALIZER, RAW_DATA = 7, 5, 9  # numbers of fields in onnx.proto
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # kinds
_SMALLEST = 1 << 10  # bytes that are worth it
_MOST_FIELDS = 1 << 17  # that are looked at here; a file with more is left to protobuf

Raw = Mapping[int, memoryview]


class _Strange(Exception):
    """Nothing that any writer writes; protobuf shall judge it."""


@dataclass(frozen=True)
class _Field:
    number: int
    kind: int
    start: int
    value: int
    end: int


def without_weights(data: bytes | memoryview) -> tuple[bytes, Raw]:
    """Take the raw data out of the initializers of a model.

    Args:
        data: the bytes of an ONNX file.

    Returns:
        The bytes of the same model without them, and views of them by the initializer's position. A file that is
        damaged or written in an unusual way comes back as it is.
    """
    view = memoryview(data)
    try:
        return _split(view)
    except (_Strange, IndexError):
        return bytes(view), {}


def _split(view: memoryview) -> tuple[bytes, Raw]:
    left = [_MOST_FIELDS]
    graphs = [f for f in _fields(view, 0, len(view), left) if f.number == GRAPH]
    if len(graphs) != 1 or graphs[0].kind != _LENGTH:
        raise _Strange
    graph, raw = graphs[0], {}
    parts, done, position = [], graph.value, 0
    for field in _fields(view, graph.value, graph.end, left):
        if field.number != INITIALIZER:
            continue
        found = [f for f in _fields(view, field.value, field.end, left) if f.number == RAW_DATA]
        if len(found) > 1 or any(f.kind != _LENGTH for f in (field, *found)):
            raise _Strange
        if found and found[0].end - found[0].value >= _SMALLEST:
            raw[position] = view[found[0].value : found[0].end]
            rest = bytes(view[field.value : found[0].start]) + bytes(view[found[0].end : field.end])
            parts += [bytes(view[done : field.start]), _message(INITIALIZER, rest)]
            done = field.end
        position += 1
    parts.append(bytes(view[done : graph.end]))
    whole = _message(GRAPH, b"".join(parts))
    return bytes(view[: graph.start]) + whole + bytes(view[graph.end :]), raw


def _fields(view: memoryview, at: int, end: int, left: list[int]) -> Iterator[_Field]:
    while at < end:
        left[0] -= 1
        start = at
        key, at = _varint(view, at)
        kind, value = key & 7, at
        if kind == _VARINT:
            _, at = _varint(view, at)
        elif kind == _LENGTH:
            length, value = _varint(view, at)
            at = value + length
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise _Strange
        if at > end or not left[0]:
            raise _Strange
        yield _Field(key >> 3, kind, start, value, at)


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """Read a number, seven bits a byte, and give the position behind it."""
    number = 0
    for shift in range(0, 64, 7):
        byte = view[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise _Strange


def _message(number: int, content: bytes) -> bytes:
    key, length, size = bytes([number << 3 | _LENGTH]), bytearray(), len(content)
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return key + bytes(length) + content
