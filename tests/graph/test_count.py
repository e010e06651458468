"""Costs: hand-worked cases. (test_real_files.py has the published counts of whole networks.)"""

import numpy as np
import pytest

from underone.errors import ShapeError
from underone.graph import Graph, Node, Value, count
from underone.spec import InputSpec, ModelSpec, Preparation


def net(*nodes: Node, **constants: np.ndarray) -> Graph:
    return Graph(nodes, (Value("x", (None, 4, 10, 10)),), (Value(nodes[-1].outputs[0], ()),), constants)


def test_each_product_counts_its_multiplications() -> None:
    graph = net(
        Node("Conv", ("x", "w", "b"), ("a",), {"strides": (2, 2)}),  # (N, 6, 4, 4)
        Node("Conv", ("a", "d"), ("c",), {"group": 6, "pads": (1, 1, 1, 1)}),  # (N, 6, 4, 4)
        Node("ConvTranspose", ("c", "t"), ("e",), {"strides": (2, 2)}),  # (N, 2, 8, 8)
        Node("Flatten", ("e",), ("f",)),  # (N, 128)
        Node("Gemm", ("f", "g"), ("y",), {"transB": 1}),  # (N, 5)
        w=np.ones((6, 4, 3, 3), np.float32), b=np.ones(6, np.float32), d=np.ones((6, 1, 3, 3), np.float32),
        t=np.ones((6, 2, 2, 2), np.float32), g=np.ones((5, 128), np.float32),
    )  # fmt: skip
    cost = count(graph)
    assert [row.macs for row in cost.nodes] == [
        6 * 16 * 4 * 9,
        6 * 16 * 9,
        6 * 16 * 2 * 4,  # each input element meets O kH kW weights
        0,
        5 * 128,
    ]
    assert cost.macs == sum(row.macs for row in cost.nodes)
    assert count(graph, batch=7).macs == 7 * cost.macs
    assert cost.params == 6 * 36 + 6 + 54 + 48 + 640
    assert (cost.nodes[0].params, cost.nodes[0].bytes_weights) == (6 * 36 + 6, 4 * (6 * 36 + 6))
    assert (cost.nodes[0].bytes_read, cost.nodes[0].bytes_written) == (4 * 400, 4 * 96)
    assert cost.depth == 5


def test_transposed_products_count_the_inner_size() -> None:
    graph = Graph(
        (Node("Gemm", ("x", "w"), ("y",), {"transA": 1}),), (Value("x", (7, 3)),), (Value("y", ()),),
        {"w": np.ones((7, 5), np.float32)},
    )  # fmt: skip
    assert count(graph).macs == 3 * 5 * 7


def test_peak_is_the_largest_set_alive_at_once() -> None:
    size = 4 * 400
    chain = net(Node("Relu", ("x",), ("a",)), Node("Relu", ("a",), ("b",)), Node("Relu", ("b",), ("y",)))
    assert count(chain).peak_activation_bytes == 2 * size
    skip = net(Node("Relu", ("x",), ("a",)), Node("Relu", ("a",), ("b",)), Node("Add", ("b", "x"), ("y",)))
    assert count(skip).peak_activation_bytes == 3 * size  # x waits for the sum
    wide = net(Node("Concat", ("x", "x", "x"), ("a",), {"axis": 1}), Node("ReduceMean", ("a",), ("y",)))
    assert count(wide).peak_activation_bytes == 4 * size


def test_depth_is_the_longest_way() -> None:
    graph = net(Node("Relu", ("x",), ("a",)), Node("Relu", ("a",), ("b",)), Node("Add", ("b", "x"), ("y",)))
    assert count(graph).depth == 3
    assert (
        count(net(Node("Relu", ("x",), ("a",)), Node("Neg", ("x",), ("b",)), Node("Add", ("a", "b"), ("y",)))).depth
        == 2
    )


def test_shared_weights_count_once_in_all_and_each_time_in_what_is_moved() -> None:
    w = np.ones((4, 4, 1, 1), np.float32)
    graph = net(Node("Conv", ("x", "w"), ("a",)), Node("Conv", ("a", "w"), ("y",)), w=w)
    cost = count(graph)
    assert (cost.params, cost.bytes_weights) == (16, 64)
    assert cost.bytes_moved == 2 * (64 + 1600 + 1600)


def test_half_precision_halves_the_bytes() -> None:
    w = np.ones((4, 4, 1, 1), np.float16)
    nodes = (Node("Cast", ("x",), ("h",), {"to": "float16"}), Node("Conv", ("h", "w"), ("y",)))
    assert count(net(*nodes, w=w)).nodes[1].bytes_written == 2 * 400


def test_sizes_that_are_open_must_be_given() -> None:
    graph = Graph((Node("Relu", ("x",), ("y",)),), (Value("x", (None, 3, None, None)),), (Value("y", ()),), {})
    assert count(graph, sizes={"x": (1, 3, 4, 4)}).bytes_moved == 2 * 4 * 48
    with pytest.raises(ShapeError, match="pass sizes="):
        count(graph)


def test_open_size_is_counted_at_that_of_the_preparation() -> None:
    value = Value("x", (None, 3, None, None))
    node = Node("Conv", ("x", "w"), ("y",), {})
    image = InputSpec(name="x", shape=value.shape, preparation=Preparation(size=(12, 7)))
    weights = {"w": np.ones((2, 3, 3, 3), np.float32)}
    graph = Graph((node,), (value,), (Value("y", ()),), weights, ModelSpec(inputs=(image,)))
    assert count(graph).macs == 2 * 10 * 5 * 27
    assert count(graph, sizes={"x": (1, 3, 5, 5)}).macs == 2 * 3 * 3 * 27
    with pytest.raises(ShapeError, match="pass sizes="):
        count(Graph((node,), (value,), (Value("y", ()),), weights))
