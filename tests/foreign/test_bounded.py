"""Nothing is read from outside a file, and the error says where."""

import numpy as np
import pytest

from underone.errors import BadFile
from underone.foreign.bounded import Reader, checked_elements, open_file

READER = Reader(memoryview(bytes(range(16))), "x.bin")


def test_numbers_and_arrays_are_read_in_place():
    assert READER.number(1, "<H", "a size") == 0x0201
    np.testing.assert_array_equal(READER.array(4, "<i2", (2, 2), "weights"), [[0x0504, 0x0706], [0x0908, 0x0B0A]])
    assert READER.array(0, "<f4", (0, 7), "nothing").shape == (0, 7)
    assert len(READER.part(8, 4, "a block")) == 4


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda r: r.take(12, 5, "the header"), "x.bin, byte 12: the header needs 5 bytes; the file has 4 there"),
        (lambda r: r.take(99, 1, "the header"), "x.bin, byte 99: the header needs 1 bytes; the file has 0 there"),
        (lambda r: r.number(-1, "<I", "an offset"), "x.bin, byte -1: an offset needs 4 bytes"),
        (lambda r: r.take(4, -2, "a text"), "x.bin, byte 4: a text needs -2 bytes"),
        (lambda r: r.array(0, "<f4", (1 << 40, 1 << 40), "weights"), "byte 0: weights needs"),
        (lambda r: r.array(0, "<f4", (2, -1), "weights"), r"weights has shape \(2, -1\); up to 8 sizes >= 0 are valid"),
        (lambda r: r.part(8, 8, "a block").take(6, 4, "a name"), "x.bin, byte 14: a name needs 4 bytes"),
        (lambda r: checked_elements(r, 3, (1,) * 9, "t") and None, "byte 3: t has shape"),
    ],
)
def test_reading_outside_names_the_file_and_the_offset(read, message):
    with pytest.raises(BadFile, match=message):
        read(READER)


def test_file_is_read_whole(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"abcd")
    assert bytes(open_file(path).data) == b"abcd"
    with pytest.raises(BadFile, match="has 4 bytes; at most 3 are read"):
        open_file(path, largest=3)


def test_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(BadFile, match=r"missing\.tflite cannot be read: No such file"):
        open_file(tmp_path / "missing.tflite")
    with pytest.raises(BadFile, match="cannot be read: Is a directory"):
        open_file(tmp_path)
