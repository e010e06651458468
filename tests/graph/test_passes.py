"""Rewrites compute the same with fewer nodes."""

import numpy as np
import pytest

from underone.compare import difference
from underone.graph import Graph, Node, Value, run_reference
from underone.graph.passes import drop_identities, drop_unused, fold_batch_norm, fold_pad_into_conv

RNG = np.random.default_rng(4)
X = RNG.standard_normal((2, 3, 9, 9)).astype(np.float32)
WEIGHTS = {
    "w": RNG.standard_normal((4, 3, 3, 3)).astype(np.float32),
    "b": RNG.standard_normal(4).astype(np.float32),
    "scale": RNG.uniform(0.5, 2, 4).astype(np.float32),
    "shift": RNG.standard_normal(4).astype(np.float32),
    "mean": RNG.standard_normal(4).astype(np.float32),
    "var": RNG.uniform(0.1, 3, 4).astype(np.float32),
}
NORM = ("scale", "shift", "mean", "var")


def net(*nodes: Node, outputs: tuple[str, ...] = ("y",)) -> Graph:
    return Graph(nodes, (Value("x", (None, 3, 9, 9)),), tuple(Value(o, ()) for o in outputs), WEIGHTS)


def same(before: Graph, after: Graph) -> None:
    for name, want in run_reference(before, {"x": X}).items():
        nmse, peak = difference(run_reference(after, {"x": X})[name], want)
        assert nmse < 1e-12
        assert peak < 1e-5


@pytest.mark.parametrize("bias", [(), ("b",)])
def test_batch_norm_is_folded(bias: tuple[str, ...]) -> None:
    graph = net(
        Node("Conv", ("x", "w", *bias), ("c",)), Node("BatchNormalization", ("c", *NORM), ("y",), {"epsilon": 0.01})
    )
    folded = fold_batch_norm(graph)
    assert [n.op for n in folded.nodes] == ["Conv"]
    assert folded.params == 4 * 27 + 4
    same(graph, folded)
    assert set(graph.constants) == set(WEIGHTS)


def test_batch_norm_stays_where_something_else_reads_between() -> None:
    graph = net(
        Node("Conv", ("x", "w"), ("c",)),
        Node("BatchNormalization", ("c", *NORM), ("d",)),
        Node("Add", ("c", "d"), ("y",)),
    )
    assert [n.op for n in fold_batch_norm(graph).nodes] == ["Conv", "BatchNormalization", "Add"]
    kept = net(Node("Conv", ("x", "w"), ("c",)), Node("BatchNormalization", ("c", *NORM), ("y",)), outputs=("c", "y"))
    assert len(fold_batch_norm(kept).nodes) == 2


def test_zero_padding_moves_into_the_convolution() -> None:
    pad = Node("Pad", ("x",), ("p",), {"pads": (0, 0, 1, 2, 0, 0, 3, 4)})
    graph = net(pad, Node("Conv", ("p", "w"), ("y",), {"pads": (1, 1, 1, 1)}))
    folded = fold_pad_into_conv(graph)
    assert [n.op for n in folded.nodes] == ["Conv"]
    assert folded.nodes[0].attrs["pads"] == (2, 3, 4, 5)
    same(graph, folded)


@pytest.mark.parametrize(
    "attrs",
    [
        {"pads": (0, 0, 1, 1, 0, 0, 1, 1), "value": 1.0},
        {"pads": (0, 0, 1, 1, 0, 0, 1, 1), "mode": "reflect"},
        {"pads": (1, 0, 1, 1, 0, 0, 1, 1)},
        {"pads": (0, 0, -1, 1, 0, 0, 1, 1)},
    ],
)
def test_other_padding_stays(attrs: dict) -> None:
    graph = net(Node("Pad", ("x",), ("p",), attrs), Node("Conv", ("p", "w"), ("y",)))
    assert [n.op for n in fold_pad_into_conv(graph).nodes] == ["Pad", "Conv"]


def test_padding_that_others_read_is_kept_for_them() -> None:
    pad = Node("Pad", ("x",), ("p",), {"pads": (0, 0, 1, 1, 0, 0, 1, 1)})
    graph = net(pad, Node("Conv", ("p", "w"), ("y",)), Node("Relu", ("p",), ("z",)), outputs=("y", "z"))
    folded = fold_pad_into_conv(graph)
    assert [n.op for n in folded.nodes] == ["Pad", "Conv", "Relu"]
    same(graph, folded)


def test_identities_go_but_for_those_that_name_an_output() -> None:
    graph = net(
        Node("Identity", ("x",), ("a",)), Node("Relu", ("a",), ("r",)), Node("Identity", ("r",), ("b",)),
        Node("Identity", ("b",), ("y",)),
    )  # fmt: skip
    after = drop_identities(graph)
    assert [(n.op, n.inputs) for n in after.nodes] == [("Relu", ("x",)), ("Identity", ("r",))]
    same(graph, after)


def test_unused_nodes_and_constants_go() -> None:
    graph = net(Node("Relu", ("x",), ("y",)), Node("Conv", ("x", "w"), ("dead",)))
    after = drop_unused(graph)
    assert (len(after.nodes), dict(after.constants)) == (1, {})
    same(graph, after)
