"""Snappy's block format, bounded: what a block says that it becomes is looked at before anything is allocated.

Source: github.com/google/snappy, format_description.txt.
"""

from ..bounded import Reader

_MOST_EXPANSION = 64  # times: one tag of 3 bytes copies at most 64


def decompress(block: Reader, most: int) -> memoryview:
    """Give the bytes of a compressed block.

    Args:
        block: compressed.
        most: bytes that it may become.

    Raises:
        BadFile: it is damaged, or becomes more than `most` bytes.
    """
    length, at = _length(block)
    if length > most or length > _MOST_EXPANSION * len(block):
        raise block.bad(0, f"a snappy block of {len(block)} bytes becomes {length}; at most {most} are read")
    data, out = block.data, bytearray()
    while at < len(data):
        tag = data[at]
        size, distance, at = _literal(block, at) if tag & 3 == 0 else _copy(block, at)
        if len(out) + size > length:
            raise block.bad(at, f"a snappy block becomes more than the {length} bytes that it says")
        if distance == 0:
            out += block.take(at, size, "a literal")
            at += size
        elif distance > len(out):
            raise block.bad(at, f"a copy from {distance} bytes back, where only {len(out)} are")
        else:
            out += _repeated(out, distance, size)
    if len(out) != length:
        raise block.bad(at, f"a snappy block becomes {len(out)} bytes; it says {length}")
    return memoryview(out)


def _length(block: Reader) -> tuple[int, int]:
    value = 0
    for i in range(5):
        byte = block.number(i, "<B", "the length of a snappy block")
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, i + 1
    raise block.bad(0, "the length of a snappy block does not end within 5 bytes")


def _literal(block: Reader, at: int) -> tuple[int, int, int]:
    """Give (size, 0, place of the bytes)."""
    size = block.data[at] >> 2
    if size < 60:
        return size + 1, 0, at + 1
    extra = size - 59  # bytes that hold the size
    return int.from_bytes(block.take(at + 1, extra, "the size of a literal"), "little") + 1, 0, at + 1 + extra


def _copy(block: Reader, at: int) -> tuple[int, int, int]:
    """Give (size, distance, place of the next tag); a distance of 0 is refused."""
    tag = block.data[at]
    if tag & 3 == 1:
        size, width = (tag >> 2 & 7) + 4, 1
        distance = (tag >> 5) << 8 | block.number(at + 1, "<B", "the distance of a copy")
    else:
        size, width = (tag >> 2) + 1, 2 if tag & 3 == 2 else 4
        distance = int.from_bytes(block.take(at + 1, width, "the distance of a copy"), "little")
    if distance == 0:
        raise block.bad(at, "a copy from 0 bytes back")
    return size, distance, at + 1 + width


def _repeated(out: bytearray, distance: int, size: int) -> bytes:
    """Give `size` bytes that begin `distance` back; a short distance repeats."""
    begin = len(out) - distance
    found = bytes(out[begin : begin + size])
    return found if len(found) == size else (found * (size // distance + 1))[:size]
