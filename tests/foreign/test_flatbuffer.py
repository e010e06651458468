"""Every offset of a FlatBuffer is checked before it is followed."""

import struct

import numpy as np
import pytest

from underone.errors import BadFile
from underone.foreign import flatbuffer
from underone.foreign.bounded import Reader
from underone.foreign.flatbuffer import root_table


def file_of(*words):
    """16 and 32 bit words (h: or i:) as a file."""
    return Reader(memoryview(b"".join(struct.pack(f"<{w[0]}", w[1]) for w in words)), "x.tflite")


# root at 12: fields at 4 (size 8, table 8, slot 0 at 4, slot 1 none)
HEAD = (("i", 12), ("h", 8), ("h", 8), ("h", 4), ("h", 0), ("i", 8))


def test_numbers_vectors_and_texts_are_read():
    table = root_table(file_of(*HEAD, ("i", 4), ("i", 2), ("i", 7), ("i", 9)))
    assert table.number(0, "<i") == 4
    assert table.number(1, "<i", 5) == 5
    assert table.number(77, "<i", 6) == 6
    np.testing.assert_array_equal(table.numbers(0, "<i4"), [7, 9])
    assert table.numbers(1, "<i4").size == 0
    assert table.table(1) is None
    assert table.tables(1) == []
    assert table.text(1) == ""
    assert table.text(0) == "\x07\0"


@pytest.mark.parametrize(
    ("reader", "read", "message"),
    [
        (file_of(("i", 99)), lambda t: t, "byte 99: a table needs 4 bytes; the file has 0 there"),
        (file_of(("i", 4), ("i", 400)), lambda t: t, "byte -396: the list of a table's fields needs 2 bytes"),
        (
            file_of(("i", 8), ("h", 3), ("h", 0), ("i", 4)),
            lambda t: t,
            "byte 4: the list of a table's fields has 3 bytes",
        ),
        (file_of(("i", 8), ("h", 90), ("h", 0), ("i", 4)), lambda t: t, "the list of a table's fields needs 90 bytes"),
        (file_of(*HEAD, ("i", 0)), lambda t: t.text(0), "byte 16: an offset of 0 leads nowhere"),
        (file_of(*HEAD, ("i", 4), ("i", 9)), lambda t: t.numbers(0, "<i4"), "field 0 of 9 elements needs 36 bytes"),
        (file_of(*HEAD, ("i", 4), ("i", 9)), lambda t: t.tables(0), "9 tables needs 36 bytes"),
        (file_of(*HEAD, ("i", 4), ("i", 1 << 30)), lambda t: t.tables(0), "1073741824 tables; at most 131072 are read"),
        (file_of(*HEAD, ("i", 4), ("i", 1 << 30)), lambda t: t.text(0), "a text of 1073741824 bytes; at most"),
        (file_of(*HEAD, ("i", 4), ("i", 9)), lambda t: t.text(0), "byte 24: a text needs 9 bytes"),
        (file_of(*HEAD, ("i", 44)), lambda t: t.table(0), "byte 60: a table needs 4 bytes"),
    ],
)
def test_offset_that_leads_outside_is_named(reader, read, message):
    with pytest.raises(BadFile, match=message) as raised:
        read(root_table(reader))
    assert str(raised.value).startswith("x.tflite, byte")


def test_table_that_holds_itself_is_read_once():
    table = root_table(file_of(*HEAD, ("I", 0xFFFFFFFC)))
    with pytest.raises(BadFile, match="a table needs 4 bytes"):
        table.table(0)
    assert flatbuffer.Table.__init__.__doc__
