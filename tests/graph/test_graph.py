"""Names of tensors: those that a rewrite adds are never those of what the graph has, its inputs among them."""

from dataclasses import replace

import numpy as np
import pytest

from underone.graph import Graph, Node, Value, run_reference
from underone.graph.float16 import to_float16
from underone.graph.fold_scales import fold_scales
from underone.graph.graph import unused_name
from underone.graph.integer_form import integer_convolutions
from underone.graph.passes import fold_batch_norm
from underone.native.concats import part_concats
from underone.native.multiplier import repeat_channels
from underone.native.quantised_form import concat_bytes, products_as_convolutions
from underone.native.wide_weights import wide_convolutions

RNG = np.random.default_rng(0)
CONSTANTS = {
    "w": RNG.normal(size=(4, 3, 1, 1)), "depthwise": RNG.normal(size=(6, 1, 3, 3)),
    "by channel": RNG.normal(size=(4, 1, 1)),
    "scale": RNG.uniform(0.5, 2, 4), "shift": RNG.normal(size=4), "mean": RNG.normal(size=4),
    "var": RNG.uniform(0.5, 2, 4), "scales": RNG.uniform(0.5, 2, 8), "shifts": RNG.normal(size=8),
    "means": RNG.normal(size=8), "vars": RNG.uniform(0.5, 2, 8), "step": 0.02, "other step": 0.03,
}  # fmt: skip
CONSTANTS = {name: np.float32(values) for name, values in CONSTANTS.items()} | {
    "zero": np.uint8(120), "other zero": np.uint8(90), "none": np.int8(0), "wide zero": np.uint8(100),
    "whole": np.arange(-5, 7, dtype=np.int8).reshape(4, 3, 1, 1), "bias": np.int32([4, 9, -3, 0]),
    "matrix": np.arange(-40, 50, dtype=np.int8).reshape(18, 5),
    "wide": np.linspace(0, 255, 12).astype(np.uint8).reshape(4, 3, 1, 1),
}  # fmt: skip

BYTES = (Node("QuantizeLinear", ("x", "step", "zero"), ("q",)), Node("DequantizeLinear", ("q", "step", "zero"), ("d",)))
REWRITES = {
    fold_batch_norm: (
        Node("Conv", ("x", "w"), ("c",)), Node("BatchNormalization", ("c", "scale", "shift", "mean", "var"), ("y",)),
    ),
    fold_scales: (Node("Conv", ("x", "w"), ("c",)), Node("Mul", ("c", "by channel"), ("y",))),
    to_float16: (Node("Conv", ("x", "w"), ("y",)),),
    integer_convolutions: (
        *BYTES, Node("DequantizeLinear", ("whole", "step", "none"), ("v",)), Node("Conv", ("d", "v", "shift"), ("c",)),
        Node("Relu", ("c",), ("e",)), Node("QuantizeLinear", ("e", "step", "zero"), ("r",)),
        Node("DequantizeLinear", ("r", "step", "zero"), ("y",)),
    ),
    concat_bytes: (
        *BYTES, Node("Concat", ("d", "d"), ("c",), {"axis": 1}),
        Node("QuantizeLinear", ("c", "other step", "other zero"), ("r",)),
        Node("DequantizeLinear", ("r", "other step", "other zero"), ("y",)),
    ),
    products_as_convolutions: (
        Node("QuantizeLinear", ("x", "step", "zero"), ("p",)), Node("Reshape", ("p",), ("q",), {"shape": (-1, 18)}),
        Node("DequantizeLinear", ("q", "step", "zero"), ("d",)),
        Node("DequantizeLinear", ("matrix", "step", "none"), ("v",)), Node("Gemm", ("d", "v"), ("c",)),
        Node("QuantizeLinear", ("c", "other step", "other zero"), ("r",)),
        Node("DequantizeLinear", ("r", "other step", "other zero"), ("y",)),
    ),
    wide_convolutions: (
        BYTES[0],
        Node(
            "QLinearConv", ("q", "step", "zero", "wide", "step", "wide zero", "other step", "other zero", "bias"),
            ("r",),
        ),
        Node("DequantizeLinear", ("r", "other step", "other zero"), ("y",)),
    ),
    part_concats: (
        Node("Conv", ("x", "w"), ("a",)), Node("Conv", ("x", "w"), ("b",)),
        Node("Concat", ("a", "b"), ("c",), {"axis": 1}),
        Node("BatchNormalization", ("c", "scales", "shifts", "means", "vars"), ("y",)),
    ),
    repeat_channels: (Node("Conv", ("x", "depthwise"), ("y",), {"group": 3}),),
}  # fmt: skip


def network(nodes):
    used = {name for node in nodes for name in node.inputs}
    constants = {name: value for name, value in CONSTANTS.items() if name in used}
    return Graph(nodes, (Value("x", (1, 3, 6, 5)),), (Value("y", ()),), constants)


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda f: f.__name__)
def test_inputs_keep_their_names(rewrite):
    graph = network(REWRITES[rewrite])
    x, other = RNG.normal(size=(1, 3, 6, 5)).astype(np.float32), np.float32([1, 2, 3])
    want = run_reference(rewrite(graph), {"x": x})["y"]
    made = rewrite(graph).names() - graph.names()
    assert made
    for name in made:
        more = replace(
            graph, nodes=(*graph.nodes, Node("Relu", (name,), ("copy",))), inputs=(*graph.inputs, Value(name, (3,))),
            outputs=(*graph.outputs, Value("copy", ())),
        )  # fmt: skip
        found = run_reference(rewrite(more), {"x": x, name: other})
        np.testing.assert_array_equal(found["copy"], other)
        np.testing.assert_array_equal(found["y"], want)


def test_names_are_those_of_inputs_constants_and_results():
    assert network(REWRITES[fold_scales]).names() == {"x", "w", "by channel", "c", "y"}


def test_a_name_that_is_taken_gets_a_number():
    assert unused_name("a", {"a", "a.1", "b"}) == "a.2"
    assert unused_name("c", {"a"}) == "c"
