"""Transposes move to the outputs and cancel; what the graph computes stays the same."""

from collections import Counter

import numpy as np
import pytest

from underone.compare import difference
from underone.graph import Graph, Node, Value, infer_shapes, run_reference
from underone.graph.transposes import move_transposes

FIRST, LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def graph_of(nodes, constants=None, shape=(1, 3, 8, 6), outputs=("y",)):
    nodes = tuple(Node(op, tuple(i.split()), tuple(o.split()), attrs, o) for op, i, o, attrs in nodes)
    plain = Graph(nodes, (Value("x", shape),), tuple(Value(o, ()) for o in outputs), constants or {})
    types = infer_shapes(plain)
    return Graph(nodes, plain.inputs, tuple(Value(o, types[o].shape, types[o].dtype) for o in outputs), plain.constants)


def check(graph, *, transposes):
    """The moved graph computes the same and has this many transposes."""
    moved = move_transposes(graph)
    x = {"x": np.random.default_rng(0).normal(size=graph.inputs[0].shape).astype(np.float32)}
    want, got = run_reference(graph, x), run_reference(moved, x)
    for value in graph.outputs:
        assert got[value.name].dtype == want[value.name].dtype
        if want[value.name].dtype.kind == "f":
            assert difference(got[value.name], want[value.name])[0] < 1e-12
        else:
            np.testing.assert_array_equal(got[value.name], want[value.name])
    assert Counter(n.op for n in moved.nodes)["Transpose"] == transposes
    return moved


def rng(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def test_transposes_between_convolutions_cancel():
    weights = {"w": rng(3, 3, 3, 3), "b": rng(3), "add": rng(3)}
    conv = {"pads": (1, 1, 1, 1)}
    moved = check(
        graph_of(
            [
                ("Conv", "x w b", "a", conv),
                ("Transpose", "a", "a_last", {"perm": LAST}),
                ("Add", "a_last add", "s", {}),
                ("Clip", "s", "c", {"min": 0.0, "max": 6.0}),
                ("Pad", "c", "p", {"pads": (0, 1, 2, 0, 0, 0, 0, 0)}),
                ("Transpose", "p", "p_first", {"perm": FIRST}),
                ("Conv", "p_first w b", "d", conv),
                ("Transpose", "d", "d_last", {"perm": LAST}),
                ("Concat", "d_last p", "y", {"axis": 3}),
            ],
            weights,
        ),
        transposes=1,
    )
    assert moved.nodes[-1].op == "Transpose"
    assert moved.nodes[-1].outputs == ("y",)


LAST_X = ("Transpose", "x", "t", {"perm": LAST})  # (1, 8, 6, 3)


@pytest.mark.parametrize(
    ("node", "transposes"),
    [
        (("ReduceMean", "t", "y", {"axes": (1, 2), "keepdims": 0}), 0),
        (("ReduceMax", "t", "y", {"axes": (-1,), "keepdims": 1}), 1),
        (("ReduceSum", "t", "y", {"axes": (1,), "keepdims": 0}), 1),
        (("ReduceSum", "t", "y", {"axes": ()}), 0),
        (("ArgMax", "t", "y", {"axis": 3, "keepdims": 0}), 0),
        (("ArgMin", "t", "y", {"axis": 1, "keepdims": 0}), 1),
        (("Softmax", "t", "y", {"axis": -1}), 1),
        (("LogSoftmax", "t", "y", {"axis": 2}), 1),
        (("Slice", "t", "y", {"starts": (1,), "ends": (5,), "axes": (2,), "steps": (2,)}), 1),
        (("Pad", "t", "y", {"pads": (0, 1, 2, 3, 0, 0, 1, -1), "value": 2.0}), 1),
        (("Resize", "t", "y", {"sizes": (0, 16, 9, 0), "mode": "linear"}), 1),
        (("Tile", "t", "y", {"repeats": (1, 2, 1, 3)}), 1),
        (("Mul", "t per_channel", "y", {}), 1),
        (("Sub", "row t", "y", {}), 1),
        (("PRelu", "t slope", "y", {}), 1),
        (("Where", "mask t zero", "y", {}), 1),
        (("Reshape", "t", "y", {"shape": (1, -1)}), 1),
        (("MatMul", "t matrix", "y", {}), 1),
        (("QuantizeLinear", "t scale", "y", {}), 1),
        (("Cast", "t", "y", {"to": "int32"}), 1),
    ],
    ids=lambda v: v[0] if isinstance(v, tuple) else "",
)
def test_operator_on_a_view_computes_the_same(node, transposes):
    constants = {
        "per_channel": rng(3),
        "row": rng(6, 1),
        "slope": rng(1, 1, 3),
        "mask": rng(1, 8, 6, 3) > 0,
        "zero": np.float32(0),
        "matrix": rng(3, 5),
        "scale": np.float32(0.1),
    }
    check(graph_of([LAST_X, node], constants), transposes=transposes)


def test_split_gives_views_of_every_part():
    nodes = [LAST_X, ("Split", "t", "a b", {"axis": 3, "split": (1, 2)}), ("Transpose", "b", "y", {"perm": FIRST})]
    moved = check(graph_of(nodes, outputs=("y", "a")), transposes=1)  # of `a`
    assert Counter(n.op for n in moved.nodes)["Split"] == 1


def test_transpose_of_axes_of_size_one_is_a_reshape():
    nodes = [
        ("GlobalAveragePool", "x", "g", {}),
        ("Transpose", "g", "t", {"perm": LAST}),
        ("Reshape", "t", "y", {"shape": (1, 3)}),
    ]
    assert [n.op for n in check(graph_of(nodes), transposes=0).nodes] == ["GlobalAveragePool", "Reshape"]
    assert [n.op for n in check(graph_of(nodes, outputs=("t",)), transposes=0).nodes][:2] == [
        "GlobalAveragePool",
        "Reshape",
    ]


def test_gate_is_brought_to_the_order_of_the_map():
    nodes = [
        LAST_X,
        ("ReduceMean", "t", "m", {"axes": (1, 2), "keepdims": 0}),
        ("Reshape", "m", "gate", {"shape": (1, 1, 1, 3)}),
        ("Mul", "t gate", "s", {}),
        ("Transpose", "s", "y", {"perm": FIRST}),
    ]
    check(graph_of(nodes), transposes=0)


def test_per_axis_scale_follows_its_axis():
    nodes = [LAST_X, ("QuantizeLinear", "t scale zero", "q", {"axis": 3}), ("Cast", "q", "y", {"to": "float32"})]
    constants = {"scale": np.array([0.1, 0.2, 0.3], np.float32), "zero": np.array([100, 120, 140], np.uint8)}
    check(graph_of(nodes, constants), transposes=1)


def test_output_that_is_read_inside_keeps_its_layout_and_its_readers_theirs():
    nodes = [LAST_X, ("Relu", "t", "y", {}), ("Neg", "y", "n", {}), ("Transpose", "n", "z", {"perm": FIRST})]
    check(graph_of(nodes, outputs=("y", "z")), transposes=1)


def test_two_orders_of_axes_meet():
    nodes = [
        LAST_X,
        ("Transpose", "x", "u", {"perm": (0, 2, 1, 3)}),
        ("Reshape", "u", "v", {"shape": (1, 8, 6, 3)}),
        ("Add", "t v", "y", {}),
    ]
    check(graph_of(nodes), transposes=3)


def test_open_batch_stays_open():
    nodes = [
        Node("GlobalAveragePool", ("x",), ("g",)),
        Node("Transpose", ("g",), ("t",), {"perm": LAST}),
        Node("Softmax", ("t",), ("y",)),
    ]
    graph = Graph(tuple(nodes), (Value("x", (None, 3, 4, 4)),), (Value("y", (None, 1, 1, 3)),), {})
    moved = move_transposes(graph)
    x = {"x": rng(5, 3, 4, 4)}
    np.testing.assert_allclose(run_reference(moved, x)["y"], run_reference(graph, x)["y"])
