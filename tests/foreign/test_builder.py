"""Nodes in the source's layout become a Graph with channels first, constants computed, and the source's names."""

import numpy as np
import pytest

from underone.errors import BadFile, Unsupported
from underone.foreign.builder import Builder
from underone.graph import read_onnx, run_reference, to_onnx
from underone.spec import Preparation


def test_picture_input_is_channels_first_and_keeps_its_name():
    b = Builder("a.pb")
    x = b.input("input", (None, 4, 6, 3))
    assert b.shape(x) == (None, 4, 6, 3)
    b.output("y", b.add("Relu", [x], "relu"))
    graph = b.finish("a", preparation=Preparation())
    assert [(v.name, v.shape) for v in graph.inputs] == [("input", (None, 3, 4, 6))]
    assert [(v.name, v.shape) for v in graph.outputs] == [("y", (None, 4, 6, 3))]
    assert graph.spec.input.preparation == Preparation()
    picture = np.random.default_rng(0).normal(size=(2, 3, 4, 6)).astype(np.float32)
    got = run_reference(graph, {"input": picture})["y"]
    np.testing.assert_array_equal(got, np.maximum(picture, 0).transpose(0, 2, 3, 1))
    assert read_onnx(to_onnx(graph)).outputs[0].name == "y"


def test_input_that_is_no_picture_stays():
    b = Builder("a.pb")
    b.output("y", b.add("Relu", [b.input("x", (1, 4, 4, 8))], "y"))
    assert b.finish("a").inputs[0].shape == (1, 4, 4, 8)


def test_what_follows_from_constants_is_computed():
    b = Builder("a.pb")
    variance, epsilon = b.constant("variance", np.full(3, 3.0, np.float32)), b.constant("e", np.float32(1.0))
    root = b.add("Sqrt", [b.add("Add", [variance, epsilon], "sum")], "root")
    np.testing.assert_array_equal(b.value(root), np.full(3, 2.0, np.float32))
    assert not b.nodes
    np.testing.assert_array_equal(b.fixed_value(root, "its scale"), b.value(root))


def test_names_are_made_unique_and_outputs_get_theirs():
    b = Builder("a.pb")
    x = b.input("x", (1, 5))
    first = b.add("Relu", [x], "t")
    second = b.add("Neg", [first], "t")
    assert (first, second) == ("t", "t.1")
    b.output("t", second)
    b.output("copy", second)
    b.output("relu", first)
    graph = b.finish("a")
    assert [v.name for v in graph.outputs] == ["t", "copy", "relu"]
    got = run_reference(graph, {"x": np.array([[1, -1, 2, -2, 0]], np.float32)})
    np.testing.assert_array_equal(got["t"], [[-1, 0, -2, 0, 0]])
    np.testing.assert_array_equal(got["copy"], got["t"])
    np.testing.assert_array_equal(got["relu"], -got["t"])
    assert len(graph.nodes) == 3


def test_constant_that_is_an_output_is_given():
    b = Builder("a.pb")
    b.input("x", (1, 5))
    b.output("c", b.constant("c", np.arange(3, dtype=np.float32)))
    graph = b.finish("a")
    np.testing.assert_array_equal(run_reference(graph, {"x": np.zeros((1, 5), np.float32)})["c"], [0, 1, 2])


def test_open_sizes_are_followed():
    b = Builder("a.pb")
    x = b.input("x", (None, None, None, 3))
    y = b.add("Slice", [x], "y", starts=(0,), ends=(5,), axes=(1,), steps=(1,))
    assert b.shape(y) == (None, 5, None, 3)
    assert b.fixed_shape(y, [1, 3]) == (5, 3)
    with pytest.raises(Unsupported, match=r"a\.pb: tensor 'y' has shape \(None, 5, None, 3\).*fix the shape"):
        b.fixed_shape(y)


def test_notes_are_kept_once():
    b = Builder("a.pb")
    b.note("dropout left out")
    b.note("dropout left out")
    assert b.notes == ["dropout left out"]


def _huge(b):
    b.add("Tile", [b.input("x", (1, 1024))], "y", repeats=(1 << 20, 1 << 20))


def _huge_constant(b):
    for i in range(80):
        b.add("Tile", [b.constant("c", np.ones(1, np.float32))], f"y{i}", repeats=(1 << 21,))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda b: b.add("Relu", ["nothing"], "y"), r"a\.pb: node 'y' \(Relu\) reads 'nothing', which nothing gives"),
        (
            lambda b: b.add("Add", [b.input("x", (1, 3)), b.constant("c", np.ones(4))], "y"),
            r"a\.pb: node 'y' \(Add\): .* do not broadcast",
        ),
        (_huge, r"node 'y' \(Tile\) makes a tensor of"),
        (_huge_constant, "constants of .* elements are computed from constants; at most"),
        (lambda b: (b.input("x", (1, 3)), b.input("x", (1, 3))), "input 'x' is given twice"),
    ],
)
def test_network_that_does_not_fit_is_a_bad_file(build, message):
    with pytest.raises(BadFile, match=message):
        build(Builder("a.pb"))


def test_network_without_outputs_is_refused():
    b = Builder("a.pb")
    b.output("x", b.input("x", (1, 3)))
    with pytest.raises(Unsupported, match=r"a\.pb: outputs \['x'\]; at least one that is no input"):
        b.finish("a")


def test_value_that_follows_from_the_input_is_not_fixed():
    b = Builder("a.pb")
    with pytest.raises(Unsupported, match=r"a\.pb: the shape of 'r' is computed from the input's values"):
        b.fixed_value(b.input("x", (3,)), "the shape of 'r'")
