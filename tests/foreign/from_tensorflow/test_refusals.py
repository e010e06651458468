"""What TensorFlow writes and we do not read, and what nobody should write: the sentences that say so."""

import numpy as np
import pytest

from underone.errors import BadFile, BadValue, Unsupported
from underone.foreign.from_tensorflow import read_frozen_graph
from underone.graph import run_reference


class Graph:
    """A graph of x (1, 4, 4, 3), by hand."""

    def __init__(self, t):
        self.t, self.parts = t, [t.picture()]

    def const(self, name, value, dtype=None):
        value = np.asarray(value)
        number = dtype or {"f": 1, "i": 3}[value.dtype.kind]
        data = value.astype("<f4" if number == 1 else "<i4").tobytes()
        self.parts.append(self.t.constant(name, value.shape, self.t.field(4, data), number))

    def node(self, name, op, *inputs, **attrs):
        self.parts.append(self.t.node(name, op, inputs, **{k: self.attr(v) for k, v in attrs.items()}))

    def attr(self, value):
        field = self.t.field
        if isinstance(value, list):
            return field(1, field(3, b"".join(self.t.varint(v & (1 << 64) - 1) for v in value)))
        if isinstance(value, str):
            return field(2, value.encode())
        return field(6, value[0]) if isinstance(value, tuple) else field(3, value & (1 << 64) - 1)

    def layer(self, op, weight=(1, 1, 3, 2), **attrs):
        self.const("w", np.ones(weight, np.float32))
        settings = {"strides": [1, 1, 1, 1], "padding": "SAME"} | attrs
        self.node("y", op, "x", "w", **settings)


ANSWERS = {
    # layers
    "strides": (lambda g: g.layer("Conv2D", strides=[1, 1]), r"has strides \(1, 1\); four numbers from 1 up"),
    "batch_strides": (
        lambda g: g.layer("Conv2D", strides=[2, 1, 1, 1]),
        r"has strides \(2, 1, 1, 1\) along other axes",
    ),
    "padding": (lambda g: g.layer("Conv2D", padding="FULL"), r"has padding 'FULL' \(\); SAME, VALID, or EXPLICIT with"),
    "explicit": (
        lambda g: g.layer("Conv2D", padding="EXPLICIT", explicit_paddings=[1]),
        r"has padding 'EXPLICIT' \(1,\)",
    ),
    "layout": (lambda g: g.layer("Conv2D", data_format="NCHW_VECT_C"), r"has data_format 'NCHW_VECT_C'"),
    "weight": (lambda g: g.layer("Conv2D", (3, 2)), r"has a weight of float32 \(3, 2\); four axes of floats"),
    "channels": (lambda g: g.layer("Conv2D", (1, 1, 2, 2)), r"has a weight \(1, 1, 2, 2\) for 3 channels"),
    "rank": (
        lambda g: (g.const("s", [48]), g.node("f", "Reshape", "x", "s"), g.node("y", "MaxPool", "f", padding="SAME")),
        r"reads a tensor of shape \(48,\); four axes are required",
    ),
    "training": (
        lambda g: (g.const("c", np.ones(3, np.float32)), g.node("y", "FusedBatchNormV3", "x", "c", "c", "c", "c")),
        r"normalises by the statistics of its batch; freeze the graph in inference mode",
    ),
    "size": (
        lambda g: (g.const("s", [8]), g.node("y", "ResizeBilinear", "x", "s")),
        r"has the size \(8,\); height and",
    ),
    "paddings": (
        lambda g: (g.const("p", [1]), g.node("y", "Pad", "x", "p")),
        r"has paddings of shape \(1,\); two numbers",
    ),
    "mirror": (
        lambda g: (g.const("p", np.ones((4, 2), int)), g.node("y", "MirrorPad", "x", "p", mode="SYMMETRIC")),
        r"pads by mode 'symmetric'",
    ),
    "sizes_of_result": (
        lambda g: (
            g.const("s", [1, 2, 3]),
            g.const("w", np.ones((1, 1, 2, 3), np.float32)),
            g.node("y", "Conv2DBackpropInput", "s", "w", "x", strides=[1, 1, 1, 1], padding="SAME"),
        ),
        r"has 3 sizes of its result; four are required",
    ),
    "blocks": (
        lambda g: (
            g.const("b", [2, 2]),
            g.const("p", [[0, 0], [0, 0]]),
            g.const("w", np.ones((1, 1, 3, 2), np.float32)),
            g.node("s", "SpaceToBatchND", "x", "b", "p"),
            g.node("c", "Conv2D", "s", "w", strides=[1, 2, 2, 1], padding="VALID"),
            g.node("y", "BatchToSpaceND", "c", "b", "p"),
        ),
        r"has strides, dilations or padding of its own between SpaceToBatchND and BatchToSpaceND",
    ),
    "block_axes": (
        lambda g: (
            g.const("b", [2]),
            g.const("p", [[0, 0]]),
            g.const("w", np.ones((1, 1, 3, 2), np.float32)),
            g.node("s", "SpaceToBatchND", "x", "b", "p"),
            g.node("c", "Conv2D", "s", "w", strides=[1, 1, 1, 1], padding="VALID"),
            g.node("y", "BatchToSpaceND", "c", "b", "p"),
        ),
        r"stands between SpaceToBatchND and BatchToSpaceND that do not change two axes",
    ),
    "crops": (
        lambda g: (
            g.const("b", [2, 2]),
            g.const("p", [[0, 0], [0, 0]]),
            g.const("r", [[1, 0], [0, 0]]),
            g.const("w", np.ones((1, 1, 3, 2), np.float32)),
            g.node("s", "SpaceToBatchND", "x", "b", "p"),
            g.node("c", "Conv2D", "s", "w", strides=[1, 1, 1, 1], padding="VALID"),
            g.node("y", "BatchToSpaceND", "c", "b", "r"),
        ),
        r"is padded by \[\[-1, 0\], \[0, 0\]\] or",
    ),
    # functions
    "whole_division": (
        lambda g: (g.node("i", "Cast", "x", DstT=(3,)), g.node("y", "RealDiv", "i", "i")),
        r"divides whole numbers",
    ),
    "cast": (lambda g: g.node("y", "Cast", "x"), r"node 'y' \(Cast\) does not say to which type"),
    "cast_to_text": (
        lambda g: g.node("y", "Cast", "x", DstT=(7,)),
        r"a tensor of type string; .*, bfloat16 and quantised",
    ),
    "fake": (
        lambda g: (g.const("a", 1.0), g.const("b", 2.0), g.node("y", "FakeQuantWithMinMaxVars", "x", "a", "b")),
        r"rounds to 8 bits from \[1.0\] to \[2.0\]; ranges around zero are required",
    ),
    "fake_channels": (
        lambda g: (
            g.const("a", np.full(3, -1.0)),
            g.const("b", np.full(3, 1.0)),
            g.node("y", "FakeQuantWithMinMaxVarsPerChannel", "x", "a", "b"),
        ),
        r"rounds each channel of what the input gives; only stored numbers are read so",
    ),
    "axis": (lambda g: (g.const("a", 4), g.node("y", "Mean", "x", "a")), r"has axis 4; the tensor has 4 axes"),
    "axis_of_floats": (
        lambda g: (g.const("a", 1.5), g.node("y", "Mean", "x", "a")),
        r"has 1 numbers of float32 as operand 1",
    ),
    "axes": (lambda g: (g.const("a", [0, 1]), g.node("y", "ArgMax", "x", "a")), r"has 2 numbers as operand 1; one is"),
    "nothing_joined": (
        lambda g: (g.const("a", 0), g.node("c", "ConcatV2", "a"), g.node("y", "Add", "x", "c")),
        r"cannot be computed",
    ),
    "nothing_joined_along_a_computed_axis": (
        lambda g: (g.const("d", 3), g.node("a", "ArgMax", "x", "d"), g.node("y", "ConcatV2", "a")),
        r"node 'y' \(ConcatV2\) joins nothing",
    ),
    "nothing_packed": (
        lambda g: (g.node("p", "Pack", axis=0), g.node("y", "Add", "x", "p")),
        r"node 'p' \(Pack\) joins nothing",
    ),
    "parts": (lambda g: (g.const("a", 3), g.node("y", "Split", "a", "x", num_split=2)), r"cuts 3 into 2 equal parts"),
    "no_parts": (lambda g: g.node("y", "Unpack", "x", num=0), r"cuts into 0 parts; 1 to 1024 are read"),
    "slice": (
        lambda g: (g.const("b", [0]), g.const("s", [1]), g.node("y", "Slice", "x", "b", "s")),
        r"begins at \(0,\) with sizes \(1,\); one of each for every axis is required",
    ),
    "strided_lists": (
        lambda g: (g.const("b", [0]), g.const("s", [1, 1]), g.node("y", "StridedSlice", "x", "b", "s", "s")),
        r"has begin \(1,\), end \(2,\), strides \(2,\); equal lists are required",
    ),
    "strided_axes": (
        lambda g: (g.const("b", [0] * 5), g.const("s", [1] * 5), g.node("y", "StridedSlice", "x", "b", "s", "s")),
        r"slices more axes than the 4 there are",
    ),
    "shape": (lambda g: (g.const("s", [[1.5]]), g.node("y", "Reshape", "x", "s")), r"gives the shape \[\[1.5\]\]"),
    "empty": (lambda g: (g.const("s", [0]), g.node("y", "Reshape", "x", "s")), r"gives an empty tensor"),
    # operands
    "operands": (lambda g: g.node("y", "Reshape", "x"), r"has 1 operands; one more is required"),
    "later_output": (
        lambda g: (g.node("u", "Unpack", "x", num=3, axis=3), g.node("y", "Relu", "u:5")),
        r"output 5 of 'u' is not implemented",
    ),
    "output_of_input": (lambda g: g.node("y", "Relu", "x:3"), r"the outputs \['y'\] also follow from \['x'\]"),
    "computed": (
        lambda g: (g.const("a", 3), g.node("i", "ArgMax", "x", "a"), g.node("y", "Reshape", "x", "i")),
        r"reads 'i', which is computed from what the input holds; only fixed numbers are read",
    ),
    "unknown": (
        lambda g: (g.node("n", "NonMaxSuppressionV3", "x"), g.node("y", "Relu", "n")),
        r"not implemented: NonMaxSuppressionV3; name the tensors between .*, inputs such as \['x'\], outputs such as",
    ),
    # borders
    "const_without_value": (lambda g: (g.node("c", "Const"), g.node("y", "Add", "x", "c")), r"has no tensor 'value'"),
    "too_few_values": (
        lambda g: (
            g.parts.append(g.t.constant("c", (5_000_000,), g.t.field(5, bytes(8)))),
            g.node("y", "Add", "x", "c"),
        ),
        r"5000000 numbers, of which 2 are given; at most 16777216 bytes are filled",
    ),
    "too_many_values": (
        lambda g: (g.parts.append(g.t.constant("c", (1,), g.t.field(7, b"\1\2"), 3)), g.node("y", "Mean", "x", "c")),
        r"a tensor of 1 numbers holds 2",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_refusal_says_what_is_wrong(name, tmp_path, by_hand):
    make, text = ANSWERS[name]
    graph = Graph(by_hand)
    make(graph)
    path = tmp_path / "net.pb"
    path.write_bytes(b"".join(graph.parts))
    with pytest.raises((BadFile, Unsupported), match=rf"net\.pb.*{text}"):
        read_frozen_graph(path).graph(outputs=["y"])


@pytest.mark.parametrize(
    ("inputs", "outputs", "text"),
    [
        ([], ["c"], r"the outputs \['c'\] follow from no input"),
        (["a"], ["y"], r"the outputs \['y'\] also follow from \['x'\]; name all inputs"),
        (["a"], ["z"], r"the shape of input 'a' is not stated; state it, as in 'a\[1x224x224x3\]'"),
    ],
)
def test_borders_that_do_not_fit_are_refused(inputs, outputs, text, tmp_path, by_hand):
    graph = Graph(by_hand)
    graph.const("c", [1.0])
    graph.node("a", "Relu", "x")
    graph.node("y", "Add", "x", "a")
    graph.node("z", "Relu", "a")
    path = tmp_path / "net.pb"
    path.write_bytes(b"".join(graph.parts))
    with pytest.raises(Unsupported, match=text):
        read_frozen_graph(path).graph(inputs, outputs)


@pytest.mark.parametrize("text", ["x[]", "x[1,a]", "x[0]", "x[1,4", "x[1,4]4", "[1]", "x[1,1,1,1,1,1,1,1,1]"])
def test_shape_that_is_none_is_refused(text, tmp_path, by_hand):
    path = tmp_path / "net.pb"
    path.write_bytes(by_hand.picture() + by_hand.node("y", "Relu", ["x"]))
    with pytest.raises(BadValue, match=r"input '.*' states no shape; NAME\[1x224x224x3\] is one, with -1 for an open"):
        read_frozen_graph(path).graph([text])


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("x", (None, 3, 4, 4)),
        ("x[2,4,4,3]", (2, 3, 4, 4)),
        ("x:0[?,8,-1,3]", (None, 3, 8, None)),
        ("x[1x6x-1x3]", (1, 3, 6, None)),
    ],
)
def test_shape_of_an_input_can_be_stated(given, taken, tmp_path, by_hand):
    path = tmp_path / "net.pb"
    path.write_bytes(by_hand.picture() + by_hand.node("y", "Relu", ["x"]))
    assert [(v.name, v.shape) for v in read_frozen_graph(path).graph([given]).inputs] == [("x", taken)]


def test_resize_to_the_size_of_the_input_needs_it(tmp_path, by_hand):
    graph = Graph(by_hand)
    graph.const("one", [1])
    graph.const("three", [3])
    graph.node("s", "Shape", "x")
    graph.node("half", "StridedSlice", "s", "one", "three", "one")
    graph.node("y", "ResizeBilinear", "x", "half")
    path = tmp_path / "net.pb"
    path.write_bytes(b"".join(graph.parts))
    network = read_frozen_graph(path)
    assert network.graph(["x[-1,6,8,3]"]).outputs[0].shape == (None, 6, 8, 3)
    wanted = r"node 'y' \(ResizeBilinear\) reads 'half': \[192, 192\] or \[320, 320\], by the size of the input; state "
    with pytest.raises(Unsupported, match=wanted + r"the shape of the input, as in 'NAME\[1x224x224x3\]'"):
        network.graph(["x[1,-1,-1,3]"])


def test_input_that_nothing_follows_from_is_left_out(tmp_path, by_hand):
    graph = Graph(by_hand)
    graph.parts.append(graph.parts[0].replace(b"\n\x01x", b"\n\x01u"))
    graph.node("y", "Relu", "x")
    path = tmp_path / "net.pb"
    path.write_bytes(b"".join(graph.parts))
    network = read_frozen_graph(path).network(["x", "u"], ["y"])
    assert [v.name for v in network.graph.inputs] == ["x"]
    assert "input 'u' is left out: no output follows from it" in network.notes


@pytest.mark.parametrize("content", [b"", b"\x18\x01"])
def test_file_without_nodes_is_refused(content, tmp_path):
    path = tmp_path / "net.pb"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=r"net.pb holds no node; a GraphDef in binary form is required"):
        read_frozen_graph(path)


def test_nodes_without_names_are_refused(tmp_path, by_hand):
    path = tmp_path / "net.pb"
    path.write_bytes(by_hand.node("", "Relu"))
    with pytest.raises(BadFile, match=r"byte 2: a node without a name or an operation; this is no TensorFlow graph"):
        read_frozen_graph(path)


def test_last_value_that_is_given_fills_the_rest(tmp_path, by_hand):
    graph = Graph(by_hand)
    graph.parts.append(by_hand.constant("c", (3,), by_hand.field(5, np.array([1, 2], "<f4").tobytes())))
    graph.node("y", "Add", "x", "c")
    path = tmp_path / "net.pb"
    path.write_bytes(b"".join(graph.parts))
    found = read_frozen_graph(path)
    assert found.tensors["c"].tolist() == [1, 2, 2]
    got = run_reference(found.graph(), {"x": np.zeros((1, 3, 4, 4), np.float32)})["y"]
    assert got[0, 0, 0].tolist() == [1, 2, 2]


@pytest.mark.parametrize("op", ["NotEqual", "ZerosLike", "Rank"])
def test_operation_that_has_no_twin_gives_what_it_says(op, tmp_path, by_hand):
    graph = Graph(by_hand)
    graph.const("c", np.float32(1))
    graph.node("z", op, *(["x", "c"] if op == "NotEqual" else ["x"]))
    graph.node("f", "Cast", "z", DstT=(1,))
    graph.node("y", "Add", "x", "f")
    path = tmp_path / "net.pb"
    path.write_bytes(b"".join(graph.parts))
    data = np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4) % 3
    want = {"NotEqual": data + (data != 1), "ZerosLike": data, "Rank": data + 4}[op]
    got = run_reference(read_frozen_graph(path).graph(), {"x": data})["y"]
    np.testing.assert_array_equal(got, want.transpose(0, 2, 3, 1))


def follow_in_sum(graph):
    graph.node("c", "Cast", "s", DstT=(1,))
    graph.node("y", "Add", "x", "c")


def follow_in_shape(graph):
    graph.const("two", 2)
    graph.node("d", "Mul", "s", "two")
    graph.node("y", "Reshape", "x", "d")


def follow_in_spread(graph):
    graph.const("w", np.ones((1, 1, 3, 3), np.float32))
    graph.node("y", "Conv2DBackpropInput", "s", "w", "x", strides=[1, 1, 1, 1], padding="SAME")


def follow_in_blocks(graph):
    graph.const("b", [2, 2])
    graph.const("w", np.ones((1, 1, 3, 2), np.float32))
    for name, begin in (("h", 1), ("v", 2)):
        graph.const(f"{name}1", [begin])
        graph.const(f"{name}2", [begin + 1])
        graph.node(name, "StridedSlice", "s", f"{name}1", f"{name}2", f"{name}1")
    graph.node("r", "Pack", "h", "v", axis=0)
    graph.node("p2", "Pack", "r", "r", axis=1)
    graph.const("shape", [2, 2])
    graph.node("p", "Reshape", "p2", "shape")
    graph.const("none", [[0, 0], [0, 0]])
    graph.node("t", "SpaceToBatchND", "x", "b", "p")
    graph.node("c", "Conv2D", "t", "w", strides=[1, 1, 1, 1], padding="VALID")
    graph.node("y", "BatchToSpaceND", "c", "b", "none")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (follow_in_sum, r"tensor 'c' follows the size of the input"),
        (follow_in_shape, r"node 'y' \(Reshape\) gives the shape \(2, 384, 384, 6\) or \(2, 640, 640, 6\)"),
        (follow_in_spread, r"gives \(192, 192\) or \(320, 320\) pixels"),
        (follow_in_blocks, r"node 'c' \(Conv2D\) is padded by \[\[192, 192\], \[192, 192\]\] or \[\[320, "),
    ],
)
def test_what_follows_an_open_size_is_refused(make, text, tmp_path, by_hand):
    graph = Graph(by_hand)
    graph.node("s", "Shape", "x")
    make(graph)
    path = tmp_path / "net.pb"
    path.write_bytes(b"".join(graph.parts))
    with pytest.raises(Unsupported, match=rf"{text}.*; state the shape of the input, as in 'NAME\[1x224x224x3\]'"):
        read_frozen_graph(path).graph(["x[1,-1,-1,3]"], ["y"])
