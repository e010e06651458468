"""A network of one picture takes many: each gets the answer that it gets alone; where pictures would mix, it stays."""

import numpy as np
import pytest

from underone.graph import Graph, Node, Value, infer_shapes, read_onnx, run_reference, to_onnx
from underone.graph.open_batch import open_batch

RNG = np.random.default_rng(0)
CONSTANTS = {
    "w": RNG.normal(size=(6, 3, 3, 3)).astype(np.float32), "row": RNG.normal(size=(1, 3, 1, 1)).astype(np.float32),
    "channel": RNG.normal(size=(4,)).astype(np.float32), "m": RNG.normal(size=(48, 5)).astype(np.float32),
    "stack": RNG.normal(size=(1, 4, 2)).astype(np.float32), "index": np.array([2, 0]),
    "full": RNG.normal(size=(2, 3, 4, 4)).astype(np.float32),
}  # fmt: skip


def graph_of(*nodes, shape=(1, 3, 4, 4)):
    made = tuple(Node(op, tuple(i.split()), tuple(o.split()), attrs, o) for op, i, o, attrs in nodes)
    plain = Graph(made, (Value("x", shape),), (Value("y", ()),), CONSTANTS)
    types = infer_shapes(plain)
    return Graph(made, plain.inputs, (Value("y", types["y"].shape, types["y"].dtype),), CONSTANTS)


KEEPING = [
    [("Conv", "x w", "y", {"pads": (1, 1, 1, 1)})],
    [("Add", "x row", "y", {})],
    [("Mul", "channel x", "y", {})],
    [("Softmax", "x", "y", {"axis": -1})],
    [("Reshape", "x", "y", {"shape": (1, -1)})],
    [("Reshape", "x", "r", {"shape": (1, 48)}), ("MatMul", "r m", "y", {})],
    [("Reshape", "x", "r", {"shape": (1, 48)}), ("Gemm", "r m", "y", {})],
    [("Transpose", "x", "t", {"perm": (0, 2, 3, 1)}), ("Reshape", "t", "y", {"shape": (1, 16, 3)})],
    [("ReduceMean", "x", "y", {"axes": (2, 3), "keepdims": 0})],
    [("ArgMax", "x", "y", {"axis": 1, "keepdims": 0})],
    [("Slice", "x", "y", {"starts": (0, 1), "ends": (1 << 31, 3), "axes": (0, 2), "steps": (1, 1)})],
    [("Squeeze", "x", "y", {"axes": (1,)})],
    [("Unsqueeze", "x", "y", {"axes": (2,)})],
    [("Pad", "x", "y", {"pads": (0, 0, 1, 1, 0, 0, 0, 2)})],
    [("Resize", "x", "y", {"sizes": (1, 3, 8, 6), "mode": "linear"})],
    [("Resize", "x", "y", {"scales": (1.0, 1.0, 2.0, 2.0)})],
    [("Split", "x", "a b", {"axis": 1, "split": (1, 2)}), ("Concat", "b a b", "y", {"axis": 1})],
    [("Flatten", "x", "y", {"axis": 1})],
    [("Tile", "x", "y", {"repeats": (1, 2, 1, 1)})],
    [("Gather", "x index", "y", {"axis": 2})],
]
MIXING = [
    [("Softmax", "x", "y", {"axis": 0})],
    [("ReduceMean", "x", "y", {"axes": ()})],
    [("ReduceSum", "x", "y", {"axes": (0, 2), "keepdims": 1})],
    [("Add", "x full", "y", {})],
    [("Transpose", "x", "y", {"perm": (1, 0, 2, 3)})],
    [("Reshape", "x", "y", {"shape": (12, 4)})],
    [("Concat", "x x", "y", {"axis": 0})],
    [
        ("Reshape", "x", "r", {"shape": (1, 12, 4)}),
        ("ReduceMax", "r", "v", {"axes": (1,), "keepdims": 0}),
        ("MatMul", "v stack", "y", {}),
    ],
    [("Concat", "x row1", "y", {"axis": 1})],
    [("Slice", "x", "y", {"starts": (-1,), "ends": (9,), "axes": (0,), "steps": (1,)})],
    [("Pad", "x", "y", {"pads": (0, 0, 0, 0, 1, 0, 0, 0)})],
    [("Tile", "x", "y", {"repeats": (2, 1, 1, 1)})],
    [("Flatten", "x", "y", {"axis": 2})],
    [("Resize", "x", "y", {"scales": (2.0, 1.0, 1.0, 1.0)})],
    [("Reshape", "x", "r", {"shape": (1, 48)}), ("Expand", "r", "y", {"shape": (1, 48)})],
    [("Reshape", "x", "r", {"shape": (4, 12)}), ("Reshape", "r", "y", {"shape": (1, 48)})],
]


@pytest.mark.parametrize("nodes", KEEPING, ids=lambda nodes: nodes[-1][0])
def test_each_picture_gets_its_own_answer(nodes):
    shape = (1, 1, 4, 4) if nodes[0][0] == "Squeeze" else (1, 3, 4, 4)
    graph = graph_of(*nodes, shape=shape)
    opened = open_batch(graph)
    assert opened.inputs[0].shape == (None, *shape[1:])
    assert opened.outputs[0].shape == (None, *graph.outputs[0].shape[1:])
    x = RNG.normal(size=(3, *shape[1:])).astype(np.float32)
    alone = np.concatenate([run_reference(graph, {"x": x[i : i + 1]})["y"] for i in range(3)])
    np.testing.assert_allclose(run_reference(opened, {"x": x})["y"], alone, rtol=1e-5, atol=1e-6)
    again = read_onnx(to_onnx(opened))
    np.testing.assert_allclose(run_reference(again, {"x": x})["y"], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("nodes", MIXING, ids=lambda nodes: nodes[-1][0])
def test_network_that_mixes_pictures_stays(nodes):
    CONSTANTS.setdefault("row1", np.ones((1, 1, 4, 4), np.float32))
    graph = graph_of(*nodes)
    assert open_batch(graph) is graph


def test_network_that_is_open_already_stays():
    graph = Graph((Node("Relu", ("x",), ("y",)),), (Value("x", (None, 3)),), (Value("y", (None, 3)),), {})
    assert open_batch(graph) is graph


def test_output_that_follows_from_constants_keeps_its_size():
    nodes = (Node("Relu", ("x",), ("y",)), Node("DequantizeLinear", ("q", "s"), ("z",)))
    constants = {"q": np.ones((1, 3), np.int8), "s": np.float32(2)}
    graph = Graph(nodes, (Value("x", (1, 3)),), (Value("y", (1, 3)), Value("z", (1, 3))), constants)
    assert open_batch(graph) is graph
