"""Weights of nine bits: whole numbers in float32 give the bytes that whole numbers give."""

import numpy as np
import pytest

from underone.graph import Graph, Node, Value, run_reference
from underone.native import lower
from underone.native.wide_weights import wide_convolutions

native = pytest.importorskip("underone._native", reason="the compiled part is not installed")


def graph(zero=117, kernel=3, group=1, channels=24, bias=400, steps=1, results=1):
    """A convolution of bytes between floats; its weights less their zero point reach from -zero to 255 - zero."""
    rng = np.random.default_rng(zero)
    weight = rng.integers(0, 256, (32 if group == 1 else channels, channels // group, kernel, kernel)).astype(np.uint8)
    weight.flat[:2] = 0, 255
    fan = weight[0].size
    constants = {
        "xs": np.float32(0.021), "xz": np.uint8(131), "w": weight, "wz": np.uint8(zero), "yz": np.uint8(90),
        "ws": np.float32(0.013) if steps == 1 else np.linspace(0.01, 0.016, len(weight), dtype=np.float32),
        "ys": np.full((results,) * (results > 1), 0.021 * 0.013 * 110 * fan**0.5, np.float32),
        "b": rng.integers(-bias, bias + 1, len(weight)).astype("i4"),
    }  # fmt: skip
    nodes = (
        Node("QuantizeLinear", ("x", "xs", "xz"), ("q",)),
        Node(
            "QLinearConv", ("q", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"), ("r",),
            {"pads": (kernel // 2,) * 4, "group": group},
        ),
        Node("DequantizeLinear", ("r", "ys", "yz"), ("y",)),
    )  # fmt: skip
    return Graph(nodes, (Value("x", (1, channels, 19, 23)),), (Value("y", ()),), constants)


IMAGE = np.random.default_rng(0).normal(0, 1.4, (1, 24, 19, 23)).astype(np.float32)


@pytest.mark.parametrize("instructions", native.isas())
@pytest.mark.parametrize(("kernel", "group"), [(1, 1), (3, 1), (3, 24)])
@pytest.mark.parametrize("zero", [0, 117, 185])
@pytest.mark.parametrize("steps", [1, "channels"])
def test_bytes_are_those_of_whole_numbers(steps, zero, kernel, group, instructions):
    net = graph(zero, kernel, group, steps=steps)
    want = run_reference(net, {"x": IMAGE})["y"]
    wide = wide_convolutions(net)
    assert [node.op for node in wide.nodes if node.op in ("Conv", "QLinearConv")] == ["Conv"]
    np.testing.assert_array_equal(run_reference(wide, {"x": IMAGE})["y"], want)
    assert len(np.unique(want)) > 50
    program = lower(net, {"x": IMAGE.shape})
    assert not any(step.op == "QLinearConv" for step in program.steps)
    plan = native.Plan(*program.arguments(), isa=instructions, precision="float32", threads=1)
    np.testing.assert_array_equal(plan.run([IMAGE])[0], want)


@pytest.mark.parametrize(
    "net",
    [graph(zero=128), graph(zero=117, bias=1 << 24), graph(zero=117, results=32)],
    ids=["eight bits", "sums beyond float32", "a scale for each channel of the output"],
)
def test_other_convolutions_stay(net):
    assert wide_convolutions(net) is net


@pytest.mark.parametrize("instructions", [*native.isas(), *(["amx"] if native.has_amx() else [])])
@pytest.mark.parametrize(("kernel", "group"), [(1, 1), (3, 1), (3, 24)])
def test_bytes_of_bfloat16_are_one_level_off_at_most(kernel, group, instructions):
    net = graph(117, kernel, group)
    want = run_reference(net, {"x": IMAGE})["y"]
    plan = native.Plan(*lower(net, {"x": IMAGE.shape}).arguments(), isa=instructions, precision="bfloat16", threads=1)
    levels = np.rint((plan.run([IMAGE])[0] - want) / net.constants["ys"])
    assert np.abs(levels).max() <= 1
    assert np.mean(levels != 0) < 0.2
