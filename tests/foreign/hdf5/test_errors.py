"""What is valid and not read, and what is damaged, each with its own line."""

import struct
from pathlib import Path

import numpy as np
import pytest

from underone.errors import BadFile, Unsupported
from underone.foreign.bounded import Reader
from underone.foreign.hdf5 import read_hdf5

GOLDEN = Path(__file__).parents[2] / "golden" / "foreign"
HUGE = struct.pack("<Q", 1 << 40)


def root_of(data):
    return read_hdf5(Reader(memoryview(bytes(data)), "x.h5"))


@pytest.mark.parametrize(
    ("file", "member", "line"),
    [
        ("odd_old", "text", "dataset '/text' holds texts; numbers are read"),
        ("odd_new", "compound", "elements of 8 bytes of type compound; numbers and strings are read"),
        ("odd_old", "committed", "dataset '/committed' has a committed type"),
        ("odd_old", "lzf", "filter lzf; deflate, shuffle and checksums are read"),
        ("odd_new", "chunks", "a dataset of layout version 4, class 2; write it for older readers"),
        ("odd_old", "never", r"a dataset of shape \(3,\) without data"),
        ("odd_new", "soft", "member 'link' is a soft or external link"),
        ("odd_new", "outside", "member 'link' is a soft or external link"),
        ("odd_old", "soft", "a soft link"),
        ("odd_new", "large", "an object of the heap that lies outside of its blocks"),
    ],
)
def test_what_is_not_read_is_named(file, member, line):
    root = root_of((GOLDEN / f"{file}.h5").read_bytes())
    with pytest.raises((BadFile, Unsupported), match=rf"x\.h5, byte \d+: {line}"):
        read(root, member)


def everything_of(data):
    root = root_of(data)
    group = root.group("many")
    return root.attributes, group.attributes, group.addresses


def read(root, member):
    found = root.open(member)
    return found.read() if hasattr(found, "read") else (found.attributes, found.addresses)


@pytest.mark.parametrize("file", ["odd_old", "odd_new"])
def test_empty_and_compact_datasets_are_read(file):
    root = root_of((GOLDEN / f"{file}.h5").read_bytes())
    assert read(root, "nothing").shape == (0,)
    np.testing.assert_array_equal(read(root, "compact"), [0, 7, 14])


SPACE, TYPE, LAYOUT, FILTERS = 0x01, 0x03, 0x08, 0x0B


@pytest.mark.parametrize(
    ("path", "kind", "offset", "value", "line"),
    [
        ("dtypes/1", SPACE, 0, b"\x09", "dataspace of version 9; 1 and 2 are read"),
        ("dtypes/1", SPACE, 1, b"\xff", "255 axes; at most 32 are allowed"),
        ("dtypes/1", SPACE, 1, b"\x1f", "up to 8 sizes"),
        ("dtypes/1", TYPE, 4, bytes(4), "elements of 0 bytes"),
        ("dtypes/1", TYPE, 4, b"\x03", "elements of 3 bytes of type class 1; numbers"),
        ("dtypes/9", TYPE, 12, b"\x07", "an enumeration that does not stand on integers of its size"),
        ("dtypes/1", LAYOUT, 0, b"\x01", "a dataset of layout version 1, class 1; write it"),
        ("dtypes/1", LAYOUT, 1, b"\x07", "a dataset of layout class 7"),
        ("dtypes/1", LAYOUT, 2, HUGE, r"a dataset needs \d+ bytes; the file has 0 there"),
        ("packed/gzip", LAYOUT, 2, b"\x02", "chunks of 1 axes; the dataset has 2"),
        ("packed/gzip", LAYOUT, 11, bytes(8), r"chunks of \(0, 0\)"),
        ("packed/gzip", LAYOUT, 11, b"\x09", r"a chunk unpacks to \d+ bytes; \d+ are required"),
        ("packed/gzip", SPACE, 8, b"\x03", r"a chunk at \(8, 0\); the dataset has shape \(3, 11\)"),
        ("packed/gzip", FILTERS, 8, b"\x03", r"a chunk unpacks to \d+ bytes; \d+ are required"),
        ("packed/chunks", LAYOUT, 3, bytes(8), r"a B-tree node \(chunks\) was expected here"),
    ],
)
def test_damaged_datasets_are_named(path, kind, offset, value, line):
    data = bytearray((GOLDEN / "old.h5").read_bytes())
    at = next(m for m in root_of(data).dataset(path).header if m.kind == kind).at + offset
    data[at : at + len(value)] = value
    with pytest.raises((BadFile, Unsupported), match=rf"x\.h5, byte \d+: .*{line}"):
        root_of(data).dataset(path).read()


@pytest.mark.parametrize(
    ("file", "signature", "offset", "value", "line"),
    [
        ("old", b"TREE", 0, b"X", r"a B-tree node \(group\) was expected here"),
        ("old", b"TREE", 5, b"\x40", "a B-tree node of level 64 below level 16"),
        ("old", b"HEAP", 0, b"X", "a local heap was expected here"),
        ("old", b"HEAP", 24, HUGE, "a structure of HDF5 needs"),
        ("old", b"HEAP", 8, struct.pack("<Q", 9), "does not end in its heap of 9 bytes"),
        ("old", b"SNOD", 0, b"X", "a node of a symbol table was expected here"),
        ("old", b"GCOL", 0, b"X", "a collection of the global heap was expected here"),
        ("old", b"GCOL", 8, bytes(8), r"the global heap has no object \d+ here"),
        ("new", b"OHDR", 4, b"\x07", "object header of version 7; 1 and 2 are read"),
        ("new", b"OHDR", 0, b"X", "an object header was expected here, not a byte 88"),
        ("new", b"FRHP", 0, b"X", "a fractal heap was expected here"),
        ("new", b"FRHP", 7, b"\x01", "a compressed heap"),
        ("new", b"FRHP", 110, b"\x03", "a heap of 3 blocks of"),
        ("new", b"FRHP", 140, b"\x01", "the heap has no block for its offset"),
        ("new", b"FHIB", 0, b"X", "a block FHIB of a heap was expected here"),
        ("new", b"FHDB", 0, b"X", "a block FHDB of a heap was expected here"),
        ("new", b"BTHD", 0, b"X", "a B-tree of version 2 was expected here"),
        ("new", b"BTHD", 12, b"\x63", "a B-tree of depth 99 with records of"),
        ("new", b"BTIN", 0, b"X", "a node of a B-tree with"),
    ],
)
def test_damaged_structures_are_named(file, signature, offset, value, line):
    data = bytearray((GOLDEN / f"{file}.h5").read_bytes())
    at = data.find(signature)
    while at >= 0:
        data[at + offset : at + offset + len(value)] = value
        at = data.find(signature, at + 1)
    with pytest.raises((BadFile, Unsupported), match=line) as found:
        everything_of(data)
    assert str(found.value).startswith("x.h5, byte")


@pytest.mark.parametrize(
    ("at", "value", "line"),
    [
        (0, b"X", "x.h5, byte 0: no HDF5 file: its signature is missing"),
        (8, b"\x07", "HDF5 superblock of version 7; 0 to 3 are read"),
        (13, b"\x04", "HDF5 with addresses of other than 8 bytes"),
        (24, b"\x01", "or behind other data"),
        (64, struct.pack("<Q", 4), "an object header was expected here, not a byte 13"),
    ],
)
def test_damaged_superblocks_are_named(at, value, line):
    data = bytearray((GOLDEN / "old.h5").read_bytes())
    data[at : at + len(value)] = value
    with pytest.raises((BadFile, Unsupported), match=line):
        root_of(data).attributes  # noqa: B018


def test_chunks_that_are_no_deflated_data_are_named():
    data = (GOLDEN / "old.h5").read_bytes()
    assert data.count(b"\x78\x5e") + data.count(b"\x78\x01") > 3
    damaged = bytearray(data)
    for start in (b"\x78\x5e", b"\x78\x01"):
        at = data.find(start)
        while at >= 0:
            damaged[at] = 0xFF
            at = data.find(start, at + 1)
    with pytest.raises(BadFile, match="a chunk that cannot be unpacked"):
        root_of(damaged).dataset("packed/gzip").read()


def test_missing_messages_are_named():
    data = bytearray((GOLDEN / "old.h5").read_bytes())
    space = next(m for m in root_of(data).dataset("dtypes/1").header if m.kind == SPACE)
    data[space.at - 8] = 0  # the message becomes an empty one
    with pytest.raises(BadFile, match="dataset '/dtypes/1' has no message 1"):
        root_of(data).dataset("dtypes/1").read()


ATTRIBUTE = 0x0C


@pytest.mark.parametrize(
    ("file", "offset", "line"),
    [
        ("old", 0, r"an attribute of version 9 with flags \d"),
        ("new", 1, r"an attribute of version 3 with flags 9"),
    ],
)
def test_attributes_of_another_form_are_named(file, offset, line):
    data = bytearray((GOLDEN / f"{file}.h5").read_bytes())
    at = next(m for m in root_of(data).header if m.kind == ATTRIBUTE).at
    data[at + offset] = 9
    with pytest.raises(Unsupported, match=rf"x\.h5, byte {at}: {line}"):
        root_of(data).attributes  # noqa: B018


def test_members_of_one_name_are_named():
    data = bytearray((GOLDEN / "old.h5").read_bytes())
    first = data.find(b"SNOD") + 8  # an entry: 8 bytes of the name's place in the heap, then the member's address
    data[first + 40 : first + 48] = data[first : first + 8]
    with pytest.raises(BadFile, match=r"x\.h5, byte \d+: a group with the member '\w+' twice, or more than 131072 mem"):
        list(root_of(data).datasets())


def test_messages_that_reach_too_far_are_named():
    data = bytearray((GOLDEN / "old.h5").read_bytes())
    space = next(m for m in root_of(data).dataset("dtypes/1").header if m.kind == SPACE)
    data[space.at - 6 : space.at - 4] = b"\xff\xff"
    with pytest.raises(BadFile, match="a message of 65535 bytes reaches beyond its object header"):
        root_of(data).dataset("dtypes/1").read()
