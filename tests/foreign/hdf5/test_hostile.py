"""Damaged and hostile HDF5 files: one line that names the file and the byte, within bounds of time and memory."""

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from underone.errors import BadFile, Unsupported
from underone.foreign.bounded import Reader
from underone.foreign.hdf5 import read_hdf5

GOLDEN = Path(__file__).parents[2] / "golden" / "foreign"
FILES = ("old.h5", "new.h5")


def everything(data):
    """Read all there is in a file."""
    root = read_hdf5(Reader(memoryview(data), "x.h5"))
    groups = [root, *(root.group(p) for p in ("dtypes", "packed", "many") if p in root)]
    return [g.attributes for g in groups], [d.read() for d in root.datasets()]


def complaint(data):
    """Give the one line that a damaged file gives, or nothing when it can still be read."""
    try:
        everything(data)
    except (BadFile, Unsupported) as error:
        line = str(error)
    else:
        return ""
    assert line.startswith("x.h5")
    assert "\n" not in line
    return line


@pytest.fixture(params=FILES)
def data(request):
    return (GOLDEN / request.param).read_bytes()


def test_cut_files_are_refused(data):
    assert all("byte" in complaint(data[:cut]) for cut in range(0, len(data), 64))
    with pytest.raises(BadFile, match=rf"x\.h5, byte 4096: the file ends here; its header says {len(data)} bytes"):
        everything(data[:4096])


def test_flipped_bytes_never_crash(data):
    rng = np.random.default_rng(0)
    lines = set()
    for _ in range(500):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 9)):
            damaged[at] = rng.integers(256)
        lines.add(complaint(bytes(damaged)))
    assert len(lines) > 30


def test_flipped_structures_never_crash(data):
    """Damage where structures are, not in the numbers between them."""
    rng = np.random.default_rng(1)
    places = [at for s in (b"TREE", b"HEAP", b"SNOD", b"GCOL", b"OHDR", b"FRHP", b"FHIB", b"BTHD", b"BTIN", b"BTLF")
              for at in _all(data, s)] + [0]  # fmt: skip
    for _ in range(500):
        damaged = bytearray(data)
        at = int(rng.choice(places)) + int(rng.integers(4, 150))
        value = int(rng.choice([0, 1, 0x7F, 0xFF]))
        damaged[at : at + int(rng.choice([1, 2, 8]))] = bytes([value]) * min(8, len(data) - at)
        complaint(bytes(damaged[: len(data)]))


def _all(data, signature):
    at = data.find(signature)
    while at >= 0:
        yield at
        at = data.find(signature, at + 1)


def test_a_group_that_contains_itself_ends():
    data = bytearray((GOLDEN / "old.h5").read_bytes())
    root = read_hdf5(Reader(memoryview(bytes(data)), "x.h5"))
    deep, er = root.addresses["deep"], root.group("deep").addresses["er"]
    entry = data.find(struct.pack("<Q", er))
    while entry >= 0:
        data[entry : entry + 8] = struct.pack("<Q", deep)
        entry = data.find(struct.pack("<Q", er), entry)
    assert [d.path for d in read_hdf5(Reader(memoryview(bytes(data)), "x.h5")).group("deep").datasets()] == [
        "/deep/again"
    ]


def test_a_circle_of_tree_nodes_is_refused():
    data = bytearray((GOLDEN / "old.h5").read_bytes())
    for at in _all(bytes(data), b"TREE"):
        data[at + 5] = 1  # the node says that its children are nodes of level 0
        data[at + 32 : at + 40] = struct.pack("<Q", at)
    assert "the nodes of a B-tree form a circle" in complaint(bytes(data))


def test_deflated_bombs_are_refused_before_they_unpack():
    data = bytearray((GOLDEN / "old.h5").read_bytes())
    root = read_hdf5(Reader(memoryview(bytes(data)), "x.h5"))
    dataset = root.dataset("packed/gzip")
    layout = next(m for m in dataset.header if m.kind == 0x08)
    space = next(m for m in dataset.header if m.kind == 0x01)
    data[space.at + 8 : space.at + 24] = struct.pack("<QQ", 1 << 20, 1 << 20)
    data[layout.at + 11 : layout.at + 19] = struct.pack("<II", 1 << 14, 1 << 14)
    tracemalloc.start()
    with pytest.raises(BadFile, match=r"x\.h5, byte \d+: the data unpacks to more than \d+ bytes; the file has \d+"):
        read_hdf5(Reader(memoryview(bytes(data)), "x.h5")).dataset("packed/gzip").read()
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_checked_sizes_come_before_memory():
    data = bytearray((GOLDEN / "old.h5").read_bytes())
    root = read_hdf5(Reader(memoryview(bytes(data)), "x.h5"))
    space = next(m for m in root.dataset("dtypes/1").header if m.kind == 0x01)
    data[space.at + 8 : space.at + 24] = struct.pack("<QQ", 1 << 40, 1 << 20)
    with pytest.raises(BadFile, match=r"x\.h5, byte \d+: a dataset needs \d+ bytes; the file has \d+ there"):
        read_hdf5(Reader(memoryview(bytes(data)), "x.h5")).dataset("dtypes/1").read()
