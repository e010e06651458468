import struct

import numpy as np
import pytest
from onnx import TensorProto, helper

from underone.errors import BadFile
from underone.foreign.protobuf import Message


def message(data):
    return Message(memoryview(data), "net.pb")


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, wire, payload):
    return varint(number << 3 | wire) + (varint(len(payload)) + payload if wire == 2 else payload)


# onnx's own generated classes are the oracle: TensorProto has every kind of field


def test_message_reads_what_protobuf_wrote():
    tensor = TensorProto(dims=[3, -1, 2**40], data_type=1, name="größe", raw_data=b"\0\1\2")
    tensor.float_data.extend([1.5, -2.25])
    tensor.double_data.extend([1e300])
    tensor.int64_data.extend([-1, 0, 1, 300, -(2**63), 2**63 - 1])
    tensor.string_data.extend([b"a", b"bc"])
    read = message(tensor.SerializeToString())
    assert read.integers(1).tolist() == [3, -1, 2**40]
    assert read.integer(2) == 1
    assert read.text(8) == "größe"
    assert bytes(read.view(9)) == b"\0\1\2"
    assert read.numbers(4).tolist() == [1.5, -2.25]
    assert read.numbers(10, np.float64).tolist() == [1e300]
    assert read.integers(7).tolist() == [-1, 0, 1, 300, -(2**63), 2**63 - 1]
    assert [bytes(v) for v in read.views(6)] == [b"a", b"bc"]
    assert read.texts(6) == ["a", "bc"]


def test_messages_inside_messages_are_read_in_order():
    nodes = [helper.make_node("Relu", [f"x{i}"], [f"x{i + 1}"], name=f"n{i}") for i in range(3)]
    graph = helper.make_graph(nodes, "g", [], [])
    read = message(helper.make_model(graph).SerializeToString())
    assert [n.text(3) for n in read.message(7).messages(1)] == ["n0", "n1", "n2"]
    assert read.message(7).text(2) == "g"


def test_absent_fields_are_neutral():
    read = message(b"")
    assert (read.integer(1), read.integer(1, 7), read.number(2), read.text(3), bytes(read.view(4))) == (
        0,
        7,
        0,
        "",
        b"",
    )
    assert not read.has(1)
    assert read.message(5).text(1) == ""
    assert read.numbers(6).shape == read.integers(6).shape == (0,)
    assert list(read.messages(7)) == read.texts(7) == []


def test_field_given_twice_counts_as_its_last_value():
    assert message(field(1, 0, varint(4)) + field(1, 0, varint(5))).integer(1) == 5


def test_unpacked_and_packed_numbers_join():
    one, two = struct.pack("<f", 1), struct.pack("<2f", 2, 3)
    read = message(field(1, 5, one) + field(1, 2, two) + field(2, 0, varint(9)) + field(2, 2, varint(300) + varint(1)))
    assert read.numbers(1).tolist() == [1, 2, 3]
    assert read.integers(2).tolist() == [9, 300, 1]
    assert message(field(3, 5, struct.pack("<f", -0.5))).number(3) == -0.5


def test_packed_numbers_are_not_copied():
    data = bytearray(field(5, 2, struct.pack("<3f", 1, 2, 3)))
    found = message(data).numbers(5)
    data[-4:] = struct.pack("<f", 9)
    assert found.tolist() == [1, 2, 9]


def test_many_packed_varints_equal_protobuf():
    values = np.random.default_rng(0).integers(-(2**62), 2**62, 300_000) >> np.random.default_rng(1).integers(
        0, 62, 300_000
    )
    tensor = TensorProto(int64_data=values.tolist())
    np.testing.assert_array_equal(message(tensor.SerializeToString()).integers(7), values)
    np.testing.assert_array_equal(message(tensor.SerializeToString()).integers(7, np.int8), values.astype(np.int8))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x0a\x05ab", r"net.pb, byte 0: field 1 needs 5 bytes, 2 are left"),
        (b"\x08\x01\x0a" + b"\xff" * 9 + b"\x01", r"byte 2: field 1 needs 18446744073709551615 bytes, 0 are left"),
        (b"\x0d\0\0", r"byte 0: field 1 needs 4 bytes, 2 are left"),
        (b"\x00\x00", r"byte 0: field 0 "),
        (b"\x0b", r"byte 0: wire type 3; 0, 1, 2 or 5 is required"),
        (b"\x08\x80", r"byte 1: a varint does not end within 10 bytes of the message"),
        (b"\x08" + b"\x80" * 10 + b"\x01", r"byte 1: a varint does not end"),
        (b"\x08\x01" * (2**17 + 1), r"byte 262144: a message of more than 131072 fields"),
    ],
)  # fmt: skip
def test_damaged_message_is_refused(data, text):
    with pytest.raises(BadFile, match=text):
        message(data)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda m: m.integer(2), r"byte 4: field 2 is a length and bytes; a varint is required"),
        (lambda m: m.message(1), r"byte 1: field 1 is a varint; a length and bytes is required"),
        (lambda m: m.text(2), r"byte 4: a text that is not UTF-8"),
        (lambda m: m.integers(2), r"byte 4: packed varints do not end"),
        (lambda m: m.integers(3), r"byte 8: 4 bytes; varints are required"),
        (lambda m: m.numbers(2), r"byte 4: a length and bytes \(3 bytes\); numbers of float32 are required"),
        (lambda m: m.numbers(1), r"byte 1: a varint \(1 bytes\); numbers of float32 are required"),
        (lambda m: m.numbers(3, np.float64), r"byte 8: 4 bytes"),
        (lambda m: m.integers(4), r"byte 14: a varint of more than 10 bytes"),
    ],
)
def test_field_of_another_kind_is_refused(read, text):
    data = (
        field(1, 0, b"\x01") + field(2, 2, b"\xff\xff\xff") + field(3, 5, b"abcd") + field(4, 2, b"\xff" * 10 + b"\x01")
    )
    with pytest.raises(BadFile, match=text):
        read(message(data))


def test_depth_is_bounded():
    data = b""
    for _ in range(40):
        data = field(1, 2, data)
    inner = message(data)
    for _ in range(32):
        inner = inner.message(1)
    with pytest.raises(BadFile, match=r"byte \d+: a message inside 33 others; at most 32 are read"):
        inner.message(1)


def test_cut_or_flipped_message_is_read_or_refused():
    model = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], []))
    data, rng = model.SerializeToString(), np.random.default_rng(2)
    broken = [data[:cut] for cut in range(len(data))]
    for _ in range(300):
        flipped = bytearray(data)
        flipped[rng.integers(len(data))] = rng.integers(256)
        broken.append(bytes(flipped))
    messages = [refusal(b) for b in broken]
    assert all(m is None or m.startswith("net.pb, byte ") for m in messages)
    assert sum(m is not None for m in messages) > 50


def refusal(data):
    try:
        for node in message(data).message(7).messages(1):
            node.texts(1), node.text(4)
    except BadFile as error:
        return str(error)
    return None
