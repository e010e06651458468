"""Batch norms and functions behind a concatenation are done by the convolutions in front of it, or stay."""

from collections import Counter

import numpy as np
import pytest

from underone.graph import Graph, Node, Value, run_reference
from underone.graph.passes import fold_batch_norm
from underone.native.concats import part_concats

FUNCTIONS = {
    "none": (),
    "relu": (Node("Relu", ("n",), ("y",)),),
    "tanh": (Node("Tanh", ("n",), ("y",)),),
    "silu": (Node("Sigmoid", ("n",), ("g",)), Node("Mul", ("n", "g"), ("y",))),
    "silu turned": (Node("Sigmoid", ("n",), ("g",)), Node("Mul", ("g", "n"), ("y",))),
}


def network(function="silu", **changes):
    """Convolutions of 4 and 6 channels, concatenated, normed, and a function."""
    rng = np.random.default_rng(0)
    constants = {
        "w1": rng.normal(size=(4, 3, 1, 1)), "w2": rng.normal(size=(6, 3, 3, 3)), "scale": rng.uniform(0.5, 2, 10),
        "shift": rng.normal(size=10), "mean": rng.normal(size=10), "var": rng.uniform(0.5, 2, 10),
    }  # fmt: skip
    nodes = {
        "one": Node("Conv", ("x", "w1"), ("a",)),
        "two": Node("Conv", ("x", "w2"), ("b",), {"pads": (1, 1, 1, 1)}),
        "concat": Node("Concat", ("a", "b"), ("c",), {"axis": 1}),
        "norm": Node("BatchNormalization", ("c", "scale", "shift", "mean", "var"), ("n",), {"epsilon": 1e-3}),
        **{f"function {i}": node for i, node in enumerate(FUNCTIONS[function])},
    }
    outputs = changes.pop("outputs", ("n",) if function == "none" else ("y",))
    nodes |= changes
    return Graph(
        nodes=tuple(nodes.values()),
        inputs=(Value("x", (1, 3, 8, 8)),),
        outputs=tuple(Value(name, None) for name in outputs),
        constants={name: array.astype(np.float32) for name, array in constants.items()},
    )


def answers(graph):
    x = np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)
    return run_reference(graph, {"x": x})


@pytest.mark.parametrize("axis", [1, -3])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_but_the_order_of_the_nodes_changes(function, axis):
    graph = network(function, concat=Node("Concat", ("a", "b"), ("c",), {"axis": axis}))
    parted = fold_batch_norm(part_concats(graph))
    assert parted.nodes[-1].op == "Concat"
    assert Counter(node.op for node in parted.nodes) == Counter(
        ["Conv", "Conv", "Concat", *[node.op for node in FUNCTIONS[function]] * 2]
    )
    for name, want in answers(graph).items():
        np.testing.assert_allclose(answers(parted)[name], want, rtol=1e-5, atol=1e-5)


def test_a_function_without_a_norm_moves_too():
    graph = network("relu", norm=Node("Identity", ("x",), ("unused",)), **{"function 0": Node("Relu", ("c",), ("y",))})
    parted = part_concats(graph)
    assert [node.op for node in parted.nodes if node.op != "Identity"][2:] == ["Relu", "Relu", "Concat"]
    np.testing.assert_array_equal(answers(parted)["y"], answers(graph)["y"])


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": ("y", "c")},  # the concatenated map is wanted
        {"outputs": ("y", "a")},  # an operand is wanted
        {"more": Node("Relu", ("b",), ("more",)), "outputs": ("y", "more")},  # an operand is read by another
        {"concat": Node("Concat", ("a", "a"), ("c",), {"axis": 1})},  # an operand is read twice
        {"concat": Node("Concat", ("a", "x"), ("c",), {"axis": 1})},  # an operand is no convolution
        {"concat": Node("Concat", ("a", "b"), ("c",), {"axis": 2})},  # other channels
    ],
)
def test_what_something_else_reads_stays(changes):
    graph = network(**changes)
    assert part_concats(graph).nodes == graph.nodes


def test_a_norm_whose_map_is_wanted_moves_alone():
    graph = network("relu", outputs=("y", "n"))
    parted = part_concats(graph)
    assert [node.op for node in parted.nodes] == ["Conv", "Conv", *["BatchNormalization"] * 2, "Concat", "Relu"]
    for name, want in answers(graph).items():
        np.testing.assert_allclose(answers(parted)[name], want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("apart", ["c", "n"])
def test_nodes_that_are_to_run_apart_stay(apart):
    graph = network("relu")
    assert part_concats(graph, {apart}).nodes == graph.nodes


@pytest.mark.parametrize(("function", "apart"), [("relu", "y"), ("silu", "g"), ("silu", "y")])
def test_a_function_that_is_to_run_apart_stays_behind_the_concatenation(function, apart):
    nodes = part_concats(network(function), {apart}).nodes
    assert [node.op for node in nodes][2:5] == [*["BatchNormalization"] * 2, "Concat"]
    assert nodes[5:] == FUNCTIONS[function]
