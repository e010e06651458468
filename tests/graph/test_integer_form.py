"""Convolutions of quantised tensors in whole numbers: within one rounding of the same in floating point."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from underone.graph import Graph, Node, Value, run_reference, to_onnx
from underone.graph.integer_form import integer_convolutions

RNG = np.random.default_rng(3)


def quantised_conv(weight_scale=(0.01, 0.02, 0.03, 0.04), clip=None, dtype=np.uint8, depthwise=False):
    """x → Q → DQ → Conv (weight from int8) → [Clip] → Q → DQ."""
    zero = np.array(128 if dtype == np.uint8 else -3, dtype)
    per_channel = len(weight_scale) > 1
    group = 4 if depthwise else 1
    constants = {
        "xs": np.float32(0.02), "xz": zero, "ys": np.float32(0.05), "yz": zero,
        "w": RNG.integers(-127, 128, (4, 4 // group, 3, 3)).astype(np.int8),
        "ws": np.array(weight_scale if per_channel else weight_scale[0], np.float32),
        "wz": np.zeros(4 if per_channel else (), np.int8),
        "b": np.rint(RNG.normal(size=4) * 1000).astype(np.float32) * np.float32(0.02 * 0.01),
    }  # fmt: skip
    nodes = [
        Node("QuantizeLinear", ("x", "xs", "xz"), ("xq",), {"axis": 0}),
        Node("DequantizeLinear", ("xq", "xs", "xz"), ("xr",), {"axis": 0}),
        Node("DequantizeLinear", ("w", "ws", "wz"), ("wr",), {"axis": 0}),
        Node("Conv", ("xr", "wr", "b"), ("c",), {"pads": (1, 1, 1, 1), "group": group}),
        *([Node("Clip", ("c",), ("l",), {"min": clip[0], "max": clip[1]})] if clip else []),
        Node("QuantizeLinear", ("l" if clip else "c", "ys", "yz"), ("q",), {"axis": 0}),
        Node("DequantizeLinear", ("q", "ys", "yz"), ("y",), {"axis": 0}),
    ]
    shape = (2, 4, 6, 5)
    return Graph(tuple(nodes), (Value("x", shape),), (Value("y", shape),), constants)


@pytest.mark.parametrize(
    ("how", "operators"),
    [
        ({}, {"QLinearConv": 1}),
        ({"depthwise": True}, {"QLinearConv": 1}),
        ({"weight_scale": (0.01,)}, {"QLinearConv": 1}),
        ({"dtype": np.int8}, {"QLinearConv": 1}),
        ({"clip": (-100.0, 100.0)}, {"QLinearConv": 1}),  # wider than the range: needless
        ({"clip": (0.0, 2.0)}, {"QLinearConv": 1, "Clip": 1}),
    ],
)
def test_integer_form_is_within_one_rounding(how, operators):
    graph = quantised_conv(**how)
    whole = integer_convolutions(graph)
    counts = Counter(n.op for n in whole.nodes)
    assert {k: v for k, v in counts.items() if not k.endswith("Linear")} == operators
    x = {"x": RNG.normal(size=(2, 4, 6, 5)).astype(np.float32)}
    got, want = run_reference(whole, x)["y"], run_reference(graph, x)["y"]
    assert np.abs(got - want).max() <= 0.0501
    assert np.mean(np.abs(got - want) > 0.001) < 0.02
    assert np.std(want) > 0.3
    assert whole.constants.keys() & {"w", "ws", "xs", "ys"} == {"w", "ws", "xs", "ys"}
    assert to_onnx(whole)


def test_scales_of_channels_become_part_of_the_weight_s():
    graph = quantised_conv(depthwise=True)
    constants = dict(graph.constants)
    for name, low, high in (("xs", 0.01, 0.03), ("ys", 0.02, 0.09)):
        constants[name] = np.linspace(low, high, 4).astype(np.float32)
    constants |= {name: np.full(4, 128, np.uint8) for name in ("xz", "yz")}
    nodes = tuple(replace(n, attrs={"axis": 1}) if n.inputs[1] in ("xs", "ys") else n for n in graph.nodes)
    graph = replace(graph, nodes=nodes, constants=constants)
    whole = integer_convolutions(graph)
    assert Counter(n.op for n in whole.nodes)["QLinearConv"] == 1
    x = {"x": RNG.normal(size=(2, 4, 6, 5)).astype(np.float32)}
    got, want = run_reference(whole, x)["y"], run_reference(graph, x)["y"]
    assert (np.abs(got - want).max(axis=(0, 2, 3)) <= constants["ys"] * 1.01).all()
    assert np.mean(np.abs(got - want) > 0.001) < 0.02
    assert np.std(want) > 0.3


def test_zero_points_that_differ_by_channel_stay():
    graph = quantised_conv()
    constants = dict(graph.constants) | {"ys": np.full(4, 0.05, np.float32), "yz": np.uint8([1, 2, 3, 4])}
    nodes = tuple(replace(n, attrs={"axis": 1}) if n.inputs[1] == "ys" else n for n in graph.nodes)
    assert "QLinearConv" not in {
        n.op for n in integer_convolutions(replace(graph, nodes=nodes, constants=constants)).nodes
    }


@pytest.mark.parametrize("backend", ["native", "onnxruntime"])
def test_integer_form_has_one_answer_on_every_engine(backend, tmp_path):
    from underone.runtime import load

    graph = integer_convolutions(quantised_conv(clip=(0.0, 2.0)))
    (tmp_path / "a.onnx").write_bytes(to_onnx(graph))
    x = {"x": RNG.normal(size=(2, 4, 6, 5)).astype(np.float32)}
    with load(tmp_path / "a.onnx", backend=backend, threads=1) as engine:
        np.testing.assert_array_equal(engine.run(x)["y"], run_reference(graph, x)["y"])


def test_convolution_that_is_not_rounded_stays():
    graph = quantised_conv()
    ends = Graph(graph.nodes[:4], graph.inputs, (Value("c", (2, 4, 6, 5)),), graph.constants)
    assert integer_convolutions(ends).nodes == ends.nodes


def test_convolution_that_is_read_twice_stays():
    graph = quantised_conv()
    both = Graph(graph.nodes, graph.inputs, (*graph.outputs, Value("c", (2, 4, 6, 5))), graph.constants)
    assert "QLinearConv" not in {n.op for n in integer_convolutions(both).nodes}


def test_convolution_with_float_weight_stays():
    graph = quantised_conv()
    nodes = tuple(n for n in graph.nodes if n.outputs != ("wr",))
    constants = {**graph.constants, "wr": graph.constants["w"].astype(np.float32)}
    assert integer_convolutions(Graph(nodes, graph.inputs, graph.outputs, constants)).nodes == nodes


@pytest.mark.parametrize("scale", [0.0, -0.05, float("nan"), float("inf")])
def test_convolution_whose_result_has_no_usable_scale_stays(scale):
    graph = quantised_conv(clip=(0.0, 2.0))
    graph = replace(graph, constants={**graph.constants, "ys": np.float32(scale)})
    assert integer_convolutions(graph).nodes == graph.nodes
