"""What is quantised, and what is not."""

import numpy as np
import pytest

from underone.graph import Graph, Node, Value
from underone.quantization.layers import gate_nodes, layers_of, quantized_tensors


def test_layers_are_found_with_what_stands_behind_them(make_network):
    layers = layers_of(make_network())
    assert [layer.name for layer in layers] == ["stem", "expand", "depthwise", "project", "head"]
    assert [layer.result for layer in layers] == ["stem/sum", "expand", "depthwise", "project/sum", "logits"]
    assert [layer.groups for layer in layers] == [1, 1, 24, 1, 1]


def test_weights_become_rows_and_back(make_network):
    graph = make_network()
    for layer in layers_of(graph):
        weight = graph.constants[layer.node.inputs[1]]
        rows = layer.rows(weight)
        assert rows.shape[0] == layer.groups
        assert rows.shape[0] * rows.shape[1] == weight.shape[layer.axis]
        np.testing.assert_array_equal(layer.shaped(rows, weight), weight)


def test_tensors_between_layers_are_quantised_and_outputs_are_not(make_network):
    graph = make_network()
    owners = quantized_tensors(graph, layers_of(graph))
    assert set(owners) == {"image", "stem/sum", "expand", "depthwise", "project/sum", "sum", "pooled", "flat"}
    assert owners["flat"] == "pooled"  # the same values: one range


def test_tensors_that_only_float_layers_read_stay_float(make_network):
    graph = make_network()
    layers = [layer for layer in layers_of(graph) if layer.name != "project"]
    assert "depthwise" not in quantized_tensors(graph, layers)


@pytest.fixture
def gated():
    """Return a network with a squeeze-and-excite branch."""
    ones = np.ones((4, 4, 1, 1), np.float32)
    nodes = (
        Node("Conv", ("x", "a"), ("conv",)),
        Node("GlobalAveragePool", ("conv",), ("pool",)),
        Node("Conv", ("pool", "b"), ("squeeze",)),
        Node("Relu", ("squeeze",), ("relu",)),
        Node("Conv", ("relu", "c"), ("excite",)),
        Node("Sigmoid", ("excite",), ("gate",)),
        Node("Mul", ("conv", "gate"), ("scaled",)),
        Node("Conv", ("scaled", "d"), ("y",)),
    )
    shape = (1, 4, 8, 8)
    return Graph(nodes, (Value("x", shape),), (Value("y", shape),), dict.fromkeys("abcd", ones))


def test_squeeze_and_excite_stays_float(gated):
    assert gate_nodes(gated) == {"pool", "squeeze", "relu", "excite", "gate"}


def test_product_of_two_computed_tensors_is_no_layer(gated):
    names = {layer.output for layer in layers_of(gated)}
    assert names == {"conv", "squeeze", "excite", "y"}
    moved = Graph((Node("MatMul", ("x", "x"), ("y",)),), gated.inputs, (Value("y", (1, 4, 8, 8)),), {})
    assert layers_of(moved) == []
