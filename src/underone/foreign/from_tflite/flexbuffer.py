"""FlexBuffers: the settings of custom operators, one map of numbers by name.

Every offset leads backwards and is checked before it is followed; nothing recurses.

Source: flatbuffers.dev/flexbuffers, google/flatbuffers docs/source/internals (encoding).
"""

from ..bounded import Reader

_MAP = 9
_NUMBERS = {1: "i", 2: "u", 3: "f", 26: "u"}  # int, unsigned, float, truth value: they stand in the vector itself
_ELSEWHERE = {6: "i", 7: "u", 8: "f"}  # the vector holds how far back they stand
_FORMS = {
    ("i", 1): "<b", ("i", 2): "<h", ("i", 4): "<i", ("i", 8): "<q",
    ("u", 1): "<B", ("u", 2): "<H", ("u", 4): "<I", ("u", 8): "<Q",
    ("f", 2): "<e", ("f", 4): "<f", ("f", 8): "<d",
}  # fmt: skip
_MOST = 256  # entries
_LONGEST = 64  # bytes of a name


def read_numbers(reader: Reader) -> dict[str, float]:
    """Give the numbers of the map that a FlexBuffer holds; entries of other kinds are left out.

    Raises:
        BadFile: it is no map, has more than 256 entries, or an offset leads outside.
    """
    end = len(reader)
    if end < 3:
        raise reader.bad(0, f"settings of {end} bytes; a map has 3 or more")
    kind, width = reader.number(end - 2, "<B", "the kind"), reader.number(end - 1, "<B", "the width")
    if kind >> 2 != _MAP or width not in (1, 2, 4, 8):
        raise reader.bad(end - 2, f"settings of kind {kind >> 2} and width {width}; a map, kind 9, is required")
    values = _back(reader, end - 2 - width, width)
    width = 1 << (kind & 3)
    count = reader.number(values - width, _FORMS["u", width], "the number of settings")
    if count > _MOST:
        raise reader.bad(values - width, f"{count} settings; at most {_MOST} are read")
    keys = _back(reader, values - 3 * width, width)
    key_width = reader.number(values - 2 * width, _FORMS["u", width], "the width of names")
    if key_width not in (1, 2, 4, 8):
        raise reader.bad(values - 2 * width, f"names of width {key_width}; 1, 2, 4 or 8 is required")
    found: dict[str, float] = {}
    for i in range(count):
        number = _number(reader, values + i * width, width, reader.number(values + count * width + i, "<B", "a kind"))
        if number is not None:
            found[_name(reader, _back(reader, keys + i * key_width, key_width))] = number
    return found


def _number(reader: Reader, at: int, width: int, packed: int) -> float | None:
    kind = packed >> 2
    if kind in _ELSEWHERE:
        at, width, kind = _back(reader, at, width), 1 << (packed & 3), kind - 5
    if kind not in _NUMBERS or (_NUMBERS[kind], width) not in _FORMS:
        return None
    return float(reader.number(at, _FORMS[_NUMBERS[kind], width], "a setting"))


def _name(reader: Reader, at: int) -> str:
    data = bytes(reader.take(at, min(_LONGEST, len(reader) - at), "a name"))
    return data.partition(b"\0")[0].decode(errors="replace")


def _back(reader: Reader, at: int, width: int) -> int:
    """Follow an offset, which leads backwards."""
    distance: int = reader.number(at, _FORMS["u", width], "an offset")
    if distance > at:
        raise reader.bad(at, f"an offset of {distance} leads before the settings")
    return at - distance
