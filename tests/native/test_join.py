"""A stem is joined to the chain behind it where nothing else reads its map."""

import numpy as np
import pytest

from underone.graph import Graph, Node, Value
from underone.native import lower

native = pytest.importorskip("underone._native", reason="the compiled part is not installed")

STEM = {"strides": (2, 2), "pads": (1, 1, 1, 1)}


def graph(stem=(8, 3, 3, 3), attrs=None, extra=(), size=(20, 24)):
    """Stem and depthwise convolution of 8 channels, and further nodes."""
    constants = {"w": np.ones(stem, np.float32), "d": np.ones((8, 1, 3, 3), np.float32)}
    nodes = (
        Node("Conv", ("x", "w"), ("s",), attrs or STEM),
        Node("Conv", ("s", "d"), ("t",), {"group": 8, "pads": (1, 1, 1, 1)}),
        *extra,
    )
    return Graph(nodes, (Value("x", (1, stem[1], *size)),), (Value(nodes[-1].outputs[0], ()),), constants)


def program(g):
    return lower(g, {"x": g.inputs[0].shape})


def test_a_joined_stem_counts_for_its_chain():
    whole = program(graph())
    assert [s.op for s in whole.steps] == ["cells.chain", "cells.store"]
    assert whole.steps[0].macs == 10 * 12 * 8 * (27 + 9)
    assert whole.steps[0].nodes == ("s", "t")


@pytest.mark.parametrize("given", [
    {"extra": (Node("Add", ("s", "t"), ("y",), {}),)},
    {"stem": (8, 3, 5, 5), "attrs": {"strides": (2, 2), "pads": (2, 2, 2, 2)}},
    {"stem": (8, 1, 3, 3)},
    {"attrs": {"strides": (1, 1), "pads": (1, 1, 1, 1)}},
    {"size": (20, 12)},
], ids=["two readers", "5x5", "one channel", "stride 1", "narrow"])  # fmt: skip
def test_other_stems_stay_alone(given):
    assert "cells.stem" in [s.op for s in program(graph(**given)).steps]


@pytest.mark.parametrize(("change", "message"), [
    ({"stem_strides": [1, 1]}, "gives another size|no 3x3 window of stride 2"),
    ({"stem_kernel": [2, 3]}, "has a stem that does not fit its image"),
    ({"stem_pads": [3, 1, 1, 1]}, "gives another size|no 3x3 window of stride 2"),
])  # fmt: skip
def test_a_stem_that_does_not_fit_is_refused(change, message):
    tensors, constants, steps, inputs, outputs = program(graph()).arguments()
    op, label, attrs, *ends = steps[0]
    with pytest.raises(ValueError, match=message):
        native.Plan(tensors, constants, [(op, label, attrs | change, *ends), steps[1]], inputs, outputs, isa="avx2")
