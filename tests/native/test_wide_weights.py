"""Weights of nine bits: whole numbers in float32 give the bytes that whole numbers give."""

import numpy as np
import pytest

from underone.graph import Graph, Node, Value, run_reference
from underone.native import lower
from underone.native.wide_weights import wide_convolutions

native = pytest.importorskip("underone._native", reason="the compiled part is not installed")


def graph(zero=117, kernel=3, group=1, channels=24, bias=400, steps=1):
    """A convolution of bytes between floats; its weights less their zero point reach from -zero to 255 - zero."""
    rng = np.random.default_rng(zero)
    weight = rng.integers(0, 256, (32 if group == 1 else channels, channels // group, kernel, kernel)).astype(np.uint8)
    weight.flat[:2] = 0, 255
    fan = weight[0].size
    constants = {
        "xs": np.float32(0.021), "xz": np.uint8(131), "w": weight, "wz": np.uint8(zero), "yz": np.uint8(90),
        "ws": np.full(steps, 0.013, np.float32) if steps > 1 else np.float32(0.013),
        "ys": np.float32(0.021 * 0.013 * 110 * fan**0.5), "b": rng.integers(-bias, bias + 1, len(weight)).astype("i4"),
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
def test_bytes_are_those_of_whole_numbers(zero, kernel, group, instructions):
    net = graph(zero, kernel, group)
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
    [graph(zero=128), graph(zero=117, bias=1 << 24), graph(zero=117, steps=32)],
    ids=["eight bits", "sums beyond float32", "a scale for each channel"],
)
def test_other_convolutions_stay(net):
    assert wide_convolutions(net) is net
