"""Checkpoints by hand whose tables are whole and whose entries are wrong."""

import numpy as np
import pytest

from underone.errors import BadFile, Unsupported
from underone.foreign.from_tensorflow import read_checkpoint
from underone.foreign.from_tensorflow.bundle import ordered, slice_key

SHARD = np.arange(8, dtype="<f4").tobytes()


def header(t, shards=1, endianness=0):
    return t.field(1, shards) + t.field(2, endianness)


def shape(t, *sizes):
    return b"".join(t.field(2, t.field(1, size)) for size in sizes)


def piece(t, *extents):
    return b"".join(t.field(1, t.field(1, begin) + t.field(2, length)) for begin, length in extents)


def entry(t, sizes=(4,), dtype=1, shard=0, offset=0, size=16, pieces=()):
    body = t.field(1, dtype) + t.field(2, shape(t, *sizes)) + t.field(3, shard) + t.field(4, offset) + t.field(5, size)
    return body + b"".join(t.field(7, p) for p in pieces)


def half(t, begin):
    return piece(t, (begin, 2))


def parted(t, *, sizes=(4,), first=(0, 2), second=(2, 2), second_sizes=(2,)):
    """A variable in two pieces."""
    parts = {slice_key(b"v", (first,)): entry(t, (2,), size=8)}
    parts[slice_key(b"v", (second,))] = entry(t, second_sizes, offset=8, size=8)
    return {**dict(sorted(parts.items())), b"v": entry(t, sizes, pieces=[piece(t, first), piece(t, second)])}


ENTRIES = {
    "no_header": (lambda t: {b"v": entry(t)}, r"index has no header; a table of a checkpoint is required"),
    "no_shards": (lambda t: {b"": header(t, 0), b"v": entry(t)}, r"byte \d+: a checkpoint of 0 shards; 1 to 4096 are"),
    "other_order": (lambda t: {b"": header(t, 1, 1)}, r"index was written on a machine of the other byte order"),
    "name": (lambda t: {b"": header(t), b"\xfe": entry(t)}, r"byte \d+: the name b'\\xfe' is no text"),
    "shard": (lambda t: {b"": header(t), b"v": entry(t, shard=1)}, r"byte \d+: an entry in shard 1 of 1"),
    "outside": (
        lambda t: {b"": header(t), b"v": entry(t, offset=20)},
        r"data-00000-of-00001, byte 20: a variable needs",
    ),
    "size": (lambda t: {b"": header(t), b"v": entry(t, (5,))}, r"a tensor of 5 numbers of 4 bytes holds 16 bytes"),
    "shared": (
        lambda t: {b"": header(t), **{bytes([97 + i]): entry(t) for i in range(3)}},
        r"byte \d+: variables lie on one another",
    ),
    "missing_piece": (
        lambda t: {b"": header(t), b"v": entry(t, pieces=[half(t, 0)])},
        r"the piece \(\(0, 2\),\) of 'v' is not there",
    ),
    "piece_shape": (
        lambda t: {b"": header(t), **parted(t, second_sizes=(1,))},
        r"an entry of shape \(1,\); \(2,\) is required",
    ),
    "piece_outside": (
        lambda t: {b"": header(t), **parted(t, second=(3, 2))},
        r"a piece \(\(3, 2\),\) does not lie in a variable of shape \(4,\)",
    ),
    "piece_axes": (
        lambda t: {
            b"": header(t),
            b"v": entry(t, pieces=[piece(t, (0, 2), (0, 2))]),
        },
        r"the piece|a piece of 2 axes",
    ),
    "pieces_too_few": (
        lambda t: {b"": header(t), **parted(t, sizes=(5,))},
        r"the pieces of a variable of shape \(5,\) have 4 numbers",
    ),
    "pieces_overlap": (lambda t: {b"": header(t), **parted(t, second=(1, 2))}, r"overlap and leave a part out"),
    "endless_text": (
        lambda t: {b"": header(t), b"_CHECKPOINTABLE_OBJECT_GRAPH": entry(t, (), 7)},
        r"the length of a text does not end within 10 bytes",
    ),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_wrong_entry_is_refused(name, tmp_path, by_hand):
    make, text = ENTRIES[name]
    (tmp_path / "net.index").write_bytes(by_hand.table([(by_hand.block(make(by_hand)), 0)]))
    (tmp_path / "net.data-00000-of-00001").write_bytes(b"\xff" * 32 if name == "endless_text" else SHARD)
    with pytest.raises((BadFile, Unsupported), match=rf"net\..*{text}"):
        read_checkpoint(tmp_path / "net")


def test_right_entry_is_read(tmp_path, by_hand):
    entries = {b"": header(by_hand), **parted(by_hand)}
    (tmp_path / "net.index").write_bytes(by_hand.table([(by_hand.block(entries), 0)]))
    (tmp_path / "net.data-00000-of-00001").write_bytes(SHARD)
    assert read_checkpoint(tmp_path / "net").tensors["v"].tolist() == [0, 1, 2, 3]


def meta(t, **dtypes):
    listed = [(name.encode(), dtype) for name, dtype in (dtypes or {"v": 1}).items()]
    return t.field(1, b"".join(t.field(1, t.field(1, n) + t.field(2, shape(t, 4)) + t.field(3, d)) for n, d in listed))


def slice_of(t, values, name=b"v", extents=()):
    data = t.field(3, t.field(5, np.array(values, "<f4").tobytes()))
    return t.field(2, t.field(1, name) + t.field(2, piece(t, *extents)) + data)


SLICES = {
    "unlisted": (
        lambda t: {b"": meta(t), b"a": slice_of(t, [1], b"u")},
        r"a piece of 'u', which the table does not list",
    ),
    "absent": (lambda t: {b"": meta(t)}, r"variable 'v' is listed, but its numbers are not there"),
    "count": (
        lambda t: {b"": meta(t), b"a": slice_of(t, [1, 2, 3])},
        r"a piece of shape \(4,\) of 'v' holds 3 numbers",
    ),
    "axes": (
        lambda t: {b"": meta(t), b"a": slice_of(t, [1, 2], extents=[(0, 2), (0, 1)])},
        r"a piece of 2 axes of a variable of shape \(4,\)",
    ),
    "half": (
        lambda t: {b"": meta(t), b"a": slice_of(t, [1, 2], extents=[(0, 2)])},
        r"the pieces of a variable of shape \(4,\) have 2 numbers together",
    ),
}


@pytest.mark.parametrize("name", SLICES)
def test_wrong_slice_is_refused(name, tmp_path, by_hand):
    make, text = SLICES[name]
    path = tmp_path / "net.ckpt"
    path.write_bytes(by_hand.table([(by_hand.block(make(by_hand)), 0)]))
    with pytest.raises(BadFile, match=rf"net.ckpt, byte \d+: {text}"):
        read_checkpoint(path)


def test_variable_of_texts_is_left_out(tmp_path, by_hand):
    path = tmp_path / "net.ckpt"
    entries = {b"": meta(by_hand, words=7, v=1), b"a": slice_of(by_hand, [1, 2, 3, 4])}
    path.write_bytes(by_hand.table([(by_hand.block(entries), 0)]))
    found = read_checkpoint(path)
    assert list(found.tensors) == ["v"]
    assert found.notes == ("variable 'words' holds no numbers",)


def test_ordered_numbers_compare_as_bytes():
    values = [-(2**63), -(2**20), -8193, -8192, -65, -64, -1, 0, 1, 63, 64, 8191, 8192, 2**20, 2**62, 2**63 - 1]
    written = [ordered(v) for v in values]
    assert written == sorted(written)
    assert [ordered(v) for v in (0, -1, 63, 64, -64, -65)] == [
        b"\x80",
        b"\x7f",
        b"\xbf",
        b"\xc0\x40",
        b"\x40",
        b"\x3f\xbf",
    ]


def test_names_of_slices_are_escaped():
    assert slice_key(b"a\0\xffb", ()) == b"\0a\0\xff\xff\0b\0\x01\0"
