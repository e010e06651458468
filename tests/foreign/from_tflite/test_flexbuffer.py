"""FlexBuffers against Google's own writer, and damaged ones."""

import pytest

from underone.errors import BadFile
from underone.foreign.bounded import Reader
from underone.foreign.from_tflite.flexbuffer import read_numbers

flexbuffers = pytest.importorskip("flatbuffers.flexbuffers", reason="the writer, flatbuffers, is not installed")


def read(data):
    return read_numbers(Reader(memoryview(bytes(data)), "a.tflite"))


@pytest.mark.parametrize(
    "values",
    [
        {"a": 1, "b": -2, "c": True, "d": False},
        {"y_scale": 10.0, "nms": 0.1, "many": 1000, "more": 100_000, "use": True},
        {"huge": 1 << 40, "less": -(1 << 40)},
        {},
    ],
)
def test_numbers_are_those_that_were_written(values):
    assert read(flexbuffers.Dumps(values)) == pytest.approx({name: float(value) for name, value in values.items()})


def test_numbers_that_stand_elsewhere_are_found():
    builder = flexbuffers.Builder()
    with builder.Map():
        for name, put, value in (("f", builder.IndirectFloat, 0.25), ("i", builder.IndirectInt, -3)):
            builder.Key(name)
            put(value)
        builder.Key("u")
        builder.IndirectUInt(70_000)
    assert read(builder.Finish()) == {"f": 0.25, "i": -3, "u": 70_000}


def test_entries_that_are_no_numbers_are_left_out():
    assert read(flexbuffers.Dumps({"name": "x", "list": [1, 2], "n": 3})) == {"n": 3}


def test_long_names_are_cut():
    assert list(read(flexbuffers.Dumps({"n" * 100: 3}))) == ["n" * 64]


FAULTS = {
    "nothing": (b"\x01", "settings of 1 bytes; a map has 3 or more"),
    "a list": (bytes(flexbuffers.Dumps([1, 2])), "a map, kind 9, is required"),
    "a width of 3": (bytes(flexbuffers.Dumps({"a": 1}))[:-1] + b"\x03", "and width 3; a map"),
    "an offset before the start": (b"\x00\x00\xff\x24\x01", "an offset of 255 leads before the settings"),
    "names of width 7": (
        b"a\x00\x01\x02\x01\x07\x01\x05\x04\x02\x24\x01",
        "names of width 7; 1, 2, 4 or 8 is required",
    ),
    "far too many": (bytes(flexbuffers.Dumps({f"{i}": i for i in range(300)})), "300 settings; at most 256 are read"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damage_is_refused(fault):
    data, text = FAULTS[fault]
    with pytest.raises(BadFile, match=text):
        read(data)
