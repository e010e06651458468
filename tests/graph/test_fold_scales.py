import numpy as np
import pytest

from underone.graph import Graph, Node, Value, run_reference
from underone.graph.fold_scales import fold_scales

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(6, 4, 3, 3)).astype(np.float32)
COLUMN = (RNG.normal(size=(6, 1, 1)) + 2).astype(np.float32)
FULL = (RNG.normal(size=(1, 6, 1, 1)) + 2).astype(np.float32)
X = RNG.normal(size=(2, 4, 5, 5)).astype(np.float32)


def graph(*steps, outputs=None, bias=True):
    """A convolution and what follows: (operator, operand before "" or behind it)."""
    constants = {"w": WEIGHT, "b": np.arange(6, dtype=np.float32)}
    nodes = [Node("Conv", ("x", "w", "b") if bias else ("x", "w"), ("c0",), {"pads": (1, 1, 1, 1)})]
    for i, (op, first, second) in enumerate(steps):
        for side in (first, second):
            if not isinstance(side, str):
                constants[f"k{i}"] = side
        names = [f"c{i}" if isinstance(side, str) else f"k{i}" for side in (first, second)]
        nodes.append(Node(op, tuple(names), (f"c{i + 1}",)))
    ends = outputs or [f"c{len(steps)}"]
    return Graph(tuple(nodes), (Value("x", X.shape),), tuple(Value(e, (2, 6, 5, 5)) for e in ends), constants)


@pytest.mark.parametrize(
    "steps",
    [
        [("Mul", "", COLUMN), ("Add", "", FULL)],
        [("Add", COLUMN, ""), ("Div", "", FULL)],
        [("Sub", "", COLUMN), ("Sub", FULL, "")],
        [("Mul", np.float32(2), ""), ("Add", "", np.full((1,), 3, np.float32))],
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_factors_and_offsets_become_part_of_the_convolution(steps, bias):
    before = graph(*steps, bias=bias)
    after = fold_scales(before)
    assert [n.op for n in after.nodes] == ["Conv"]
    want, got = (run_reference(g, {"x": X})["c2"] for g in (before, after))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    assert {c.dtype.name for c in after.constants.values()} == {"float32"}
    assert len(after.constants) == 2


@pytest.mark.parametrize(
    "other",
    [
        RNG.normal(size=(5,)).astype(np.float32),  # along the width
        RNG.normal(size=(2, 6, 1, 1)).astype(np.float32),  # for each picture
        RNG.normal(size=(1, 1, 1, 1, 1)).astype(np.float32),  # makes five axes
    ],
)
def test_what_is_not_per_channel_stays(other):
    before = graph(("Mul", "", other), outputs=["c0"])
    before = Graph(before.nodes, before.inputs, (Value("c1", ()),), before.constants)
    assert [n.op for n in fold_scales(before).nodes] == ["Conv", "Mul"]


def test_inverse_of_a_convolution_stays():
    assert [n.op for n in fold_scales(graph(("Div", COLUMN, ""))).nodes] == ["Conv", "Div"]


def test_convolution_that_others_read_stays():
    before = graph(("Mul", "", COLUMN), outputs=["c0", "c1"])
    assert [n.op for n in fold_scales(before).nodes] == ["Conv", "Mul"]
    before = graph(("Mul", "", COLUMN), ("Add", "", FULL), outputs=["c1", "c2"])
    assert [n.op for n in fold_scales(before).nodes] == ["Conv", "Add"]


def test_weight_that_is_computed_stays():
    nodes = (Node("Conv", ("x", "w"), ("c",), {}), Node("Mul", ("c", "k"), ("y",)))
    inputs = (Value("x", (1, 4, 5, 5)), Value("w", WEIGHT.shape))
    assert fold_scales(Graph(nodes, inputs, (Value("y", ()),), {"k": COLUMN})).nodes == nodes
