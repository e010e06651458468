"""Damaged files: one line that names the file, never another error, in bounded memory and time."""

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from underone.errors import BadFile, FetchFailed, Unsupported
from underone.files import fetch
from underone.foreign.bounded import Reader
from underone.foreign.from_tensorflow import read_checkpoint, read_frozen_graph, read_saved_model
from underone.foreign.from_tensorflow.sorted_table import read_table
from underone.graph import run_reference
from underone.weights.real_files import REAL_FILES

GOLDEN = Path(__file__).parents[2] / "golden" / "tensorflow"
LAYERS = dict(np.load(GOLDEN / "layers.npz"))
SAVED = dict(np.load(GOLDEN / "saved_models.npz"))
GRAPHS = ("blocks_depthwise_bias", "heads", "slices", "norm_fused", "split")
TABLES = ("one", "one_compressed", "two.index", "two_compressed.index", "objects.index")


def network(path):
    found = read_frozen_graph(path)
    graph = found.graph()
    assert sum(a.nbytes for a in found.tensors.values()) < 1 << 26
    return graph


def saved_network(path):
    return read_saved_model(path).graph()


def message_of(read, path, content):
    """Read a damaged file; give what the error says, or None where it still reads."""
    path.write_bytes(content)
    try:
        read(path)
    except (BadFile, Unsupported) as error:
        return str(error)
    return None


def require_refusals(read, path, contents, at_least):
    messages = [message_of(read, path, content) for content in contents]
    refused = [m for m in messages if m is not None]
    assert len(refused) >= at_least
    assert all(path.parent.name in m and "\n" not in m for m in refused), refused


def cuts(content):
    return [content[:end] for end in range(0, len(content), 64)]


def flips(content, number, seed):
    rng = np.random.default_rng(seed)
    for _ in range(number):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        yield bytes(changed)


@pytest.mark.parametrize("name", GRAPHS)
def test_damaged_graph_is_refused_or_read(name, tmp_path):
    content = LAYERS[f"{name}.graph"].tobytes()
    require_refusals(network, tmp_path / "net.pb", [*cuts(content), *flips(content, 150, 3)], 40)


def test_damaged_saved_model_is_refused_or_read(tmp_path):
    content = SAVED["session/saved_model.pb"].tobytes()
    (tmp_path / "variables").mkdir()
    for part in ("variables.index", "variables.data-00000-of-00001"):
        (tmp_path / "variables" / part).write_bytes(SAVED[f"session/variables/{part}"].tobytes())
    contents = [*cuts(content), *flips(content, 100, 4)]
    require_refusals(saved_network, tmp_path / "saved_model.pb", contents, 30)


def test_damaged_functions_are_refused_or_read(tmp_path):
    content = SAVED["exported/saved_model.pb"].tobytes()
    (tmp_path / "variables").mkdir()
    for part in ("variables.index", "variables.data-00000-of-00001"):
        (tmp_path / "variables" / part).write_bytes(SAVED[f"exported/variables/{part}"].tobytes())
    contents = [content[:end] for end in range(0, len(content), 1024)] + list(flips(content, 60, 5))
    require_refusals(saved_network, tmp_path / "saved_model.pb", contents, 30)


@pytest.mark.parametrize("name", TABLES)
def test_damaged_table_is_refused_or_read(name, tmp_path):
    for path in (GOLDEN / "checkpoints").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = (tmp_path / name).read_bytes()
    require_refusals(read_checkpoint, tmp_path / name, [*cuts(content), *flips(content, 60, 6)], 40)


@pytest.mark.parametrize("name", ["one", "one_compressed", "two.index"])
def test_damaged_table_with_right_checksums_is_refused_or_read(name, tmp_path, monkeypatch):
    """What lies behind the checksums must stand damage too: whoever writes a hostile file writes them anew."""
    monkeypatch.setattr("underone.foreign.from_tensorflow.sorted_table.masked", lambda crc: AnyNumber())
    monkeypatch.setattr("underone.foreign.from_tensorflow.bundle.masked", lambda crc: AnyNumber())
    for path in (GOLDEN / "checkpoints").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = (tmp_path / name).read_bytes()
    require_refusals(read_checkpoint, tmp_path / name, [*cuts(content), *flips(content, 300, 7)], 40)


class AnyNumber(int):
    """A checksum that is always right."""

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = int.__hash__


def test_cut_of_a_large_graph_is_refused(tmp_path):
    try:
        content = fetch(REAL_FILES["mobilenet_v1_frozen"]).read_bytes()
    except FetchFailed as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(8)
    places = np.sort(rng.integers(1, len(content), 500))
    path = tmp_path / "net.pb"
    path.write_bytes(content)
    for end in places[::-1]:  # one file that gets shorter
        with path.open("r+b") as file:
            file.truncate(end)
        with pytest.raises((BadFile, Unsupported), match=r"net.pb"):
            read_frozen_graph(path)


# graphs by hand: fields of GraphDef, NodeDef and TensorProto

HOSTILE = {
    "huge_fill": lambda t: t.constant("c", (1 << 40, 4), t.field(5, b"\0\0\x80\x3f")),
    "many_fills": lambda t: b"".join(
        t.constant(f"c{i}", (1 << 20,), t.field(5, b"\0\0\x80\x3f" * 2)) for i in range(100)
    ),
    "endless_axes": lambda t: t.constant("c", (1,) * 100),
    "negative_size": lambda t: t.constant("c", ((1 << 64) - 5,)),
    "wrong_bytes": lambda t: t.constant("c", (2, 2), t.field(4, b"\0" * 15)),
    "circle": lambda t: t.picture() + t.node("a", "Add", ["x", "b"]) + t.node("b", "Relu", ["a"]),
    "itself": lambda t: t.picture() + t.node("a", "Add", ["x", "a"]) + t.node("b", "Relu", ["a"]),
    "missing": lambda t: t.picture() + t.node("a", "Add", ["x", "nothing"]),
    "no_operands": lambda t: (
        t.picture() + t.node("a", "Relu", ["x"]) + t.node("b", "Add") + t.node("c", "Add", ["a", "b"])
    ),
    "twice": lambda t: t.picture() + t.picture(),
    "many_axes_fill": lambda t: (
        t.picture()
        + t.constant("s", (70,), t.field(7, b"\x01" * 70), 3)
        + t.constant("v", (), dtype=1)
        + t.node("f", "Fill", ["s", "v"])
        + t.node("y", "Add", ["x", "f"])
    ),
    "huge_tile": lambda t: (
        t.picture()
        + t.constant("v", (1,))
        + t.constant("n", (1,), t.field(10, t.varint(1 << 40)), 9)
        + t.node("t", "Tile", ["v", "n"])
        + t.node("y", "Add", ["x", "t"])
    ),
    "huge_range": lambda t: (
        t.picture()
        + t.constant("a", (), t.field(7, b"\0"), 3)
        + t.constant("b", (), t.field(7, t.varint(1 << 30)), 3)
        + t.constant("d", (), t.field(7, b"\x01"), 3)
        + t.node("r", "Range", ["a", "b", "d"])
        + t.node("y", "Gather", ["x", "r"])
    ),
    "doubled": lambda t: (
        t.picture()
        + t.constant("c0", (64,), dtype=1)
        + t.constant("axis", (), dtype=3)
        + b"".join(t.node(f"c{i + 1}", "ConcatV2", [f"c{i}", f"c{i}", "axis"]) for i in range(60))
        + t.node("y", "Add", ["x", "c60"])
    ),
    "huge_pad": lambda t: (
        t.picture() + t.constant("p", (4, 2), t.field(7, t.varint(1 << 30) * 8), 3) + t.node("y", "Pad", ["x", "p"])
    ),
    "filled_again": lambda t: (
        t.picture()
        + t.constant("s", (), t.field(7, t.varint(1 << 16)), 3)
        + t.constant("v", ())
        + b"".join(t.node(f"f{i}", "Fill", ["s", "v"]) for i in range(2000))
        + t.node("y", "Pack", ["x", *(f"f{i}" for i in range(2000))])
    ),
    "endless_calls": lambda t: (
        t.picture()
        + t.node("y", "f", ["x"])
        + t.field(
            2,
            t.field(
                1,
                t.field(1, t.field(1, b"f") + t.field(2, t.field(1, b"a")) + t.field(3, t.field(1, b"r")))
                + t.node("g", "f", ["a"]).replace(b"\n", b"\x1a", 1)
                + t.field(4, t.field(1, b"r") + t.field(2, b"g:r:0")),
            ),
        )
    ),
}


SAYING = {
    "huge_fill": "its constants state 17592186044416 bytes; at most 33554676 are read",
    "many_fills": "its constants state 419430400 bytes; at most",
    "endless_axes": "byte 47: a shape of 100 axes; at most 8 are valid",
    "negative_size": r"byte 42: the shape of a stored tensor is \(None,\); whole sizes are required",
    "wrong_bytes": "byte 38: a tensor of 4 numbers of 4 bytes holds 15 bytes",
    "circle": "no tensor is an output: each is read by another; name outputs",
    "itself": r"node 'a' \(Add\) follows from itself: a circle",
    "missing": r"node 'a' \(Add\) reads 'nothing', which is no node",
    "no_operands": r"node 'b' \(Add\): 0 operands; 2 to 2 are required",
    "twice": "byte 62: a second node of the name 'x'",
    "many_axes_fill": r"node 'f' \(Fill\) cannot be computed from \[\(70,\), \(\)\]",
    "huge_tile": r"node 't' \(Tile\) makes a tensor of 1099511627776 elements",
    "huge_range": r"node 'r' \(Range\) is computed from what the input holds, or gives more than 65536 numbers",
    "doubled": "constants of 33488896 elements are computed",
    "huge_pad": r"node 'y' \(Pad\) makes a tensor of \d+ elements",
    "filled_again": r"\(Fill\) brings the fixed numbers to \d+ bytes; at most \d+ are kept",
    "endless_calls": r"\(f\) lies in 33 calls; at most 32 are followed",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_graph_is_refused_in_bounded_memory(name, tmp_path, by_hand):
    path, content = tmp_path / "net.pb", HOSTILE[name](by_hand)
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises((BadFile, Unsupported), match=rf"net\.pb.*{SAYING[name]}"):
        network(path)
    assert tracemalloc.get_traced_memory()[1] < 4 * len(content) + 100e6
    tracemalloc.stop()


def test_many_borders_take_bounded_time(tmp_path, by_hand):
    path = tmp_path / "net.pb"
    odd = b"".join(by_hand.node(f"o{i}", "Odd") + by_hand.node(f"x{i}", "Placeholder") for i in range(3000))
    sums = b"".join(by_hand.node(f"s{i + 1}", "AddN", [f"s{i}", f"o{i}", f"x{i}"]) for i in range(3000))
    path.write_bytes(odd + by_hand.node("s0", "Odd") + sums)
    begin = time.process_time()
    with pytest.raises(Unsupported, match=r"operations that are not implemented: Odd x3001"):
        network(path)
    assert time.process_time() - begin < 5


def test_deep_chain_is_no_recursion(tmp_path, by_hand):
    chain = [by_hand.node(f"n{i + 1}", "Relu", [f"n{i}" if i else "x"]) for i in range(3000)]
    path = tmp_path / "net.pb"
    path.write_bytes(by_hand.picture() + b"".join(reversed(chain)))
    graph = network(path)
    data = np.random.default_rng(0).normal(size=(1, 3, 4, 4)).astype(np.float32)
    got = run_reference(graph, {"x": data})["n3000"]
    np.testing.assert_array_equal(got, np.maximum(data, 0).transpose(0, 2, 3, 1))


def varint(value):
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value >= 0x80 else bytes([value])


ENTRY = b"\0\x01\x02Avv" + bytes(4) + b"\x01\0\0\0"
# each name shares 4000 bytes with the one before, so the names become 400 times larger than the block
NAMES = b"\0\xa0\x1f\0" + b"A" * 4000 + b"".join(b"\xa0\x1f\x05\0%05d" % i for i in range(20_000))
NAMES += bytes(4) + b"\x01\0\0\0"
WRONG_TABLES = {
    "bomb": ([(varint(1 << 31) + b"\0", 1)], "a snappy block of 6 bytes becomes 2147483648; at most"),
    "copy_before_start": ([(b"\x08\x00a\x0d\x05", 1)], "a copy from 5 bytes back, where only 1 are"),
    "copy_of_nothing": ([(b"\x08\x00a\x0d\x00", 1)], "a copy from 0 bytes back"),
    "too_long": ([(b"\x01\x04ab", 1)], "becomes more than the 1 bytes that it says"),
    "too_short": ([(b"\x05\x00a", 1)], "a snappy block becomes 1 bytes; it says 5"),
    "literal_beyond": ([(b"\x40\xf0\x3f", 1)], "a literal needs 64 bytes; the file has 0 there"),
    "endless_length": ([(b"\xff" * 6, 1)], "the length of a snappy block does not end within 5 bytes"),
    "other_compression": ([(ENTRY, 2)], "compressed by method 2; 0 .none. or 1 .snappy. is required"),
    "restarts": ([(b"\xff\xff\xff\x7f", 0)], "a block of 4 bytes with 2147483647 restarts"),
    "shared": ([(b"\x05\x01\x01Av" + bytes(4) + b"\x01\0\0\0", 0)], r"shares 5 of 0 bytes and has 1 \+ 1 more"),
    "order": ([(ENTRY, 0), (ENTRY, 0)], "the name b'A' follows b'A'; names must be in order"),
    "endless_number": ([(b"\xff" * 11 + bytes(4) + b"\x01\0\0\0", 0)], "a number does not end within 10 bytes"),
    "names": ([(NAMES, 0)], "the table becomes more than four times its size"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_TABLES)
def test_wrong_table_is_refused(name, by_hand):
    blocks, text = WRONG_TABLES[name]
    with pytest.raises(BadFile, match=rf"^net.ckpt, .*byte \d+: .*({text})"):
        list(read_table(Reader(memoryview(by_hand.table(blocks)), "net.ckpt")))


def test_table_of_the_test_is_one(by_hand):
    found = list(read_table(Reader(memoryview(by_hand.table([(ENTRY, 0)])), "net.ckpt")))
    assert [(name, bytes(value.data)) for name, value in found] == [(b"A", b"vv")]
