"""Quantised maps: every kernel on every instruction set, odd shapes, poisoned memory, equal to the reference."""

from dataclasses import replace

import numpy as np
import pytest

from underone.graph import Graph, Node, Value, run_reference
from underone.native import lower
from underone.native.quantised_form import quantised_form

native = pytest.importorskip("underone._native", reason="the compiled part is not installed")

ISAS = [*native.isas(), *(["amx"] if native.has_amx() else [])]


@pytest.fixture(params=ISAS)
def instructions(request):
    return request.param


class Net:
    """A small quantised network, written as quantisers do: QuantizeLinear and DequantizeLinear around every node."""

    def __init__(self, channels, height, width, dtype="uint8", seed=0):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants, self.dtype = [], {}, dtype
        self.inputs = (Value("x", (1, channels, height, width)),)
        self.channels = channels
        self.last = self.rounded("x", 0.03, 120)

    def node(self, op, *inputs, **attrs):
        name = f"t{len(self.nodes)}"
        self.nodes.append(Node(op, inputs, (name,), attrs))
        return name

    def constant(self, values):
        name = f"c{len(self.constants)}"
        self.constants[name] = values
        return name

    def scale(self, step, zero):
        shifted = np.full(np.shape(step), zero - (128 if self.dtype == "int8" else 0), self.dtype)
        return [self.constant(np.asarray(step, np.float32)), self.constant(shifted)]

    def rounded(self, name, step, zero):
        """Quantise and dequantise; with one step for the tensor, or one for each channel."""
        scale = self.scale(step, zero)
        return self.node("DequantizeLinear", self.node("QuantizeLinear", name, *scale), *scale)

    def weight(self, *shape, scale):
        """Give dequantised int8 weights, one scale for each output channel."""
        scales = (self.rng.uniform(0.5, 1.5, shape[0]) * scale).astype(np.float32)
        names = [self.constant(self.rng.integers(-127, 128, shape).astype(np.int8)), self.constant(scales)]
        return self.node("DequantizeLinear", *names, self.constant(np.zeros(shape[0], np.int8)), axis=0)

    def conv(self, out, kernel=1, group=1, step=0.05, zero=110, end=(), **attrs):
        fan = self.channels // group * kernel * kernel
        weight = self.weight(out, self.channels // group, kernel, kernel, scale=fan**-0.5 / 70)
        bias = self.constant(self.rng.normal(0, 0.5, out).astype(np.float32))
        name = self.node("Conv", self.last, weight, bias, group=group, **attrs)
        if end:
            name = self.node(end[0], name, **end[1])
        self.channels, self.last = out, self.rounded(name, step, zero)
        return self.last

    def depthwise(self, kernel=3, **attrs):
        return self.conv(self.channels, kernel, self.channels, **attrs)

    def graph(self):
        return Graph(tuple(self.nodes), self.inputs, (Value(self.last, ()),), self.constants)


def check(net, instructions, steps=None, precision="float32", atol=0.0):
    """Compare with the reference, bit for bit, on one and two threads, the second time on memory full of NaN."""
    graph = net.graph()
    x = np.random.default_rng(5).normal(0, 1.5, net.inputs[0].shape).astype(np.float32)
    want = run_reference(quantised_form(graph), {"x": x})[net.last]
    assert len(np.unique(want)) > 8
    program = lower(graph, {"x": x.shape})
    if steps is not None:
        assert [s.op.removeprefix("cells.") for s in program.steps] == steps
    for threads in (1, 2):
        plan = native.Plan(*program.arguments(), isa=instructions, precision=precision, threads=threads)
        for _ in range(2):
            plan.poison()
            np.testing.assert_allclose(plan.run([x])[0], want, rtol=0, atol=atol)


@pytest.mark.parametrize(("channels", "out"), [(16, 16), (48, 24), (64, 64), (65, 130), (200, 70)])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (13, 21)])
def test_product_is_the_reference(channels, out, size, instructions):
    net = Net(channels, *size)
    net.conv(out)
    check(net, instructions, ["quantize", "chain", "dequantize"])


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(6, 5), (9, 16), (14, 15)])
def test_windows_are_the_reference(dtype, kernel, stride, size, instructions):
    net = Net(80, *size, dtype=dtype)
    net.depthwise(kernel, pads=(kernel // 2,) * 4, strides=(stride, stride))
    check(net, instructions, ["quantize", "chain", "dequantize"])


@pytest.mark.parametrize(
    "how",
    [
        {"dilations": (2, 2), "pads": (2, 2, 2, 2)},
        {"dilations": (2, 2), "pads": (2, 2, 2, 2), "strides": (2, 2)},
        {"dilations": (3, 1), "pads": (2, 0, 1, 1)},
        {"pads": (0, 1, 1, 0)},
        {"dilations": (12, 12), "pads": (12,) * 4},
    ],
)
@pytest.mark.parametrize("size", [(11, 9), (7, 200)])
def test_other_windows_are_the_reference(how, size, instructions):
    net = Net(70, *size)
    net.depthwise(3, **how)
    net.conv(40)
    check(net, instructions, ["quantize", "chain", "dequantize"])


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("end", [(), ("Relu", {}), ("Clip", {"min": 0.0, "max": 3.0})])
def test_chain_of_three_is_the_reference(stride, end, instructions):
    net = Net(24, 30, 29, dtype="int8")
    net.conv(144, step=0.02, zero=0 if end else 90, end=end)
    net.depthwise(3, pads=(1,) * 4, strides=(stride, stride), step=0.02, zero=0 if end else 100, end=end)
    net.conv(33)
    check(net, instructions, ["quantize", "chain", "dequantize"])


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_steps_of_channels_before_windows_are_the_reference(dtype, instructions):
    net = Net(24, 10, 9, dtype=dtype)
    net.conv(70, step=np.linspace(0.01, 0.03, 70), zero=100)
    net.depthwise(3, pads=(1,) * 4)
    check(net, instructions, ["quantize", "chain", "dequantize"])


def test_dense_window_is_the_reference(instructions):
    net = Net(48, 12, 17)
    net.conv(72, 3, pads=(1,) * 4, strides=(2, 2))
    check(net, instructions, ["quantize", "chain", "dequantize"])


@pytest.mark.parametrize("width", [15, 16, 32, 47, 300, 530])
@pytest.mark.parametrize("zero", [0, 77])
def test_stem_is_the_reference(width, zero, instructions):
    net = Net(3, 11, 2 * width, dtype="int8")
    net.conv(40, 3, pads=(1,) * 4, strides=(2, 2), zero=zero)
    check(net, instructions, ["bytes_stem", "dequantize"])


def test_stem_joins_the_windows_behind_it(instructions):
    net = Net(3, 40, 44)
    net.conv(48, 3, pads=(1,) * 4, strides=(2, 2))
    net.depthwise(3, pads=(1,) * 4)
    net.conv(64)
    check(net, instructions, ["chain", "dequantize"])


@pytest.mark.parametrize("end", [(), ("Relu", {})])
def test_residual_sum_is_the_reference(end, instructions):
    net = Net(32, 9, 14, dtype="int8")
    first = net.conv(96, step=0.04)
    net.depthwise(3, pads=(1,) * 4)
    second = net.conv(96, step=0.03, zero=140)
    total = net.node("Add", second, first)
    net.last = net.rounded(net.node("Relu", total) if end else total, 0.055, 100)
    net.depthwise(3, pads=(1,) * 4)  # whose border is the zero of the sum
    check(net, instructions, ["quantize", "chain", "chain", "chain", "dequantize"])


def test_sum_of_two_maps_is_the_reference(instructions):
    net = Net(70, 6, 5)
    start = net.last
    left = net.depthwise(3, pads=(1,) * 4)
    net.last = start
    right = net.depthwise(3, pads=(1,) * 4)
    net.last = net.rounded(net.node("Add", left, right), 0.07, 130)
    check(net, instructions, ["quantize", "chain", "chain", "bytes_add", "dequantize"])


@pytest.mark.parametrize("function", ["HardSwish", "Sigmoid", "Relu", "HardSigmoid"])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_function_is_a_table(function, dtype, instructions):
    net = Net(70, 6, 5, dtype=dtype)
    net.conv(70)
    net.last = net.rounded(net.node(function, net.last), 0.03, 40)
    net.depthwise(3, pads=(1,) * 4)
    check(net, instructions, ["quantize", "chain", "bytes_table", "chain", "dequantize"])


def test_factors_of_channels_are_the_reference(instructions):
    net = Net(70, 4, 4)
    wide = net.conv(130, step=1 / 16)  # whose means are exact in float32
    net.last = net.rounded(net.node("GlobalAveragePool", wide), 0.01, 128)
    net.conv(130)
    gate = net.rounded(net.node("Sigmoid", net.last), 1 / 256, 0)
    net.last = net.rounded(net.node("Relu", net.node("Mul", gate, wide)), 0.02, 0)
    steps = ["quantize", "chain", "bytes_mean", "chain", "bytes_table", "bytes_scale", "dequantize"]
    check(net, instructions, steps)


def test_mean_and_product_of_a_vector_are_within_a_quantum(instructions):
    net = Net(72, 7, 7)
    net.conv(130)
    net.last = net.rounded(net.node("GlobalAveragePool", net.last), 0.01, 128)
    net.last = net.rounded(net.node("Flatten", net.last, axis=1), 0.01, 128)
    weight, bias = net.weight(75, 130, scale=0.01), net.constant(np.zeros(75, np.float32))
    net.last = net.rounded(net.node("Gemm", net.last, weight, bias, transB=1), 0.004, 120)
    check(net, instructions, ["quantize", "chain", "bytes_mean", "chain", "dequantize"], atol=0.0041)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_layers_that_stay_in_floats_run_in_the_same_plan(precision, instructions):
    net = Net(20, 8, 9)
    net.conv(40)
    net.last = net.node("HardSwish", net.last)
    weight = net.constant(net.rng.normal(0, 0.1, (16, 40, 1, 1)).astype(np.float32))
    net.last = net.node("Conv", net.last, weight)
    check(net, instructions, precision=precision, atol=1e-4 if precision == "float32" else 0.1)


def test_sums_that_a_float_cannot_hold_are_rounded_as_the_reference_does(instructions):
    net = Net(64, 4, 4)
    net.conv(64, zero=128)
    conv = next(n for n in net.nodes if n.op == "Conv")
    net.constants[conv.inputs[2]] = np.linspace(-2, 2, 64).astype(np.float32) * 9000  # 2^24 of its own steps
    rounding = next(n for n in net.nodes if n.inputs[0] == conv.outputs[0])
    net.constants[rounding.inputs[1]] = np.float32(150)
    check(net, instructions)


@pytest.mark.parametrize("weight_zero", [0, 128, 3])
def test_weights_with_a_zero_point_are_the_reference(weight_zero, instructions):
    net = Net(48, 5, 6)
    constants = {
        "s": np.float32(0.03), "z": np.uint8(120), "w": net.rng.integers(0, 256, (20, 48, 1, 1)).astype(np.uint8),
        "ws": np.float32(0.002), "wz": np.uint8(weight_zero), "ys": np.float32(0.2), "yz": np.uint8(100),
    }  # fmt: skip
    net.constants |= constants
    quantised = net.nodes[-1].inputs[0]
    net.nodes.append(Node("QLinearConv", (quantised, "s", "z", "w", "ws", "wz", "ys", "yz"), ("q",)))
    net.last = net.node("DequantizeLinear", "q", "ys", "yz")
    check(net, instructions)


def test_zero_that_is_not_the_reader_s_is_kept_apart(instructions):
    net = Net(48, 5, 6)
    net.depthwise(3, pads=(1,) * 4)
    reader = next(n for n in net.nodes if n.op == "DequantizeLinear" and n.inputs[0] == net.nodes[0].outputs[0])
    net.constants["other"] = np.uint8(7)
    at = net.nodes.index(reader)
    net.nodes[at] = Node("DequantizeLinear", (*reader.inputs[:2], "other"), reader.outputs)
    check(net, instructions)


STEP = [0.05, 110, 0, 255]
MAP, PLAIN = ("uint8", [1, 70, 6, 5], 1), ("float32", [1, 70, 6, 5], -1)
SAME = {"factors": [0.01] * 70, "zero": 3, "border": 3}


def plan(op, attrs, inputs=(), result=MAP, image=MAP):
    """Quantise an image and do one step on it; weights as the step before the last has them."""
    constants = {i + 3: np.asarray(a) for i, a in enumerate(inputs)}
    tensors = [PLAIN, image, result] + [(a.dtype.name, list(a.shape), -1) for a in constants.values()]
    numbers = [1, -1, -1, -1, -1, -1, *constants] if op == "cells.chain" else [1, *constants]
    quantise = ("cells.quantize", "image", {"quantum": STEP}, [0], [1])
    steps = [quantise, (op, "node", attrs, numbers, [2])]
    back = [] if result[2] < 0 else [("cells.dequantize", "end", {"quantum": STEP}, [2], [len(tensors)])]
    tensors += [("float32", result[1], -1)] if back else []
    return native.Plan(tensors, constants, [*steps, *back], [0], [len(tensors) - 1 if back else 2], isa="avx2")


WEIGHTS = (np.ones((70, 70, 1, 1), np.int8), np.zeros(70, np.int32))
CONV = {"kernel": [1, 1], "strides": [1, 1], "dilations": [1, 1], "pads": [0] * 4, "depthwise": 0}
SUM = {"sum_a": STEP, "sum_b": STEP, "sum": STEP}
BLEND = {f"{a}_{k}": v for a, n in (("y", 6), ("x", 5)) for k, v in (("places", [0, 1] * n), ("weights", [0.5] * n))}
MEAN, PIXEL = {"from": STEP, "to": STEP}, ("uint8", [1, 70, 1, 1], 0)


def test_rows_of_no_map_and_of_maps_of_two_formats_are_refused():
    kinds = [PLAIN, MAP, ("float32", PLAIN[1], 0), ("float32", [2 * 70 * 30], -1)]
    made = [("cells.quantize", "a", {"quantum": STEP}, [0], [1]), ("cells.load", "b", {}, [0], [2])]
    for numbers, message in (([], "reads no map"), ([1, 2], "has maps of different formats")):
        rows = ("cells.rows", "node", {"tables": [0.0] * 512}, numbers, [3])
        with pytest.raises(ValueError, match="node: cells.rows " + message):
            native.Plan(kinds, {}, [*made, rows], [0], [3], isa="avx2")


def test_plans_of_one_step_are_made():
    plan("cells.chain", CONV | SAME, WEIGHTS)
    plan("cells.bytes_mean", MEAN, result=PIXEL)
    plan("cells.dequantize", {"quantum": STEP}, result=PLAIN)
    plan("cells.rows", {"tables": [0.0] * 256}, result=PLAIN)
    plan("cells.bytes_table", {"function": "table", "table": [3] * 256})


@pytest.mark.parametrize(("call", "message"), [
    (("cells.chain", CONV | SAME | {"factors": [0.1]}, WEIGHTS), "needs a bias and a factor for every output channel"),
    (("cells.chain", CONV | SAME, (WEIGHTS[0], np.zeros(69, np.int32))), "needs a bias and a factor"),
    (("cells.chain", CONV | SAME, (WEIGHTS[0].astype(np.float32), WEIGHTS[1])), "needs a constant weight"),
    (("cells.chain", CONV | SAME | {"zero": 256}, WEIGHTS), "has a byte outside 0 to 255"),
    (("cells.chain", CONV | SAME | {"border": -1}, WEIGHTS), "has a byte outside 0 to 255"),
    (("cells.chain", CONV | SAME, ()), "has stages that do not go together"),
    (("cells.chain", CONV | SAME, WEIGHTS, ("float32", [1, 70, 6, 5], 0)), "maps of different formats"),
    (("cells.function", {"function": "tanh"}), "takes no quantised maps"),
    (("cells.bytes_table", {"function": "table", "table": [3] * 255}), "needs a table of 256 bytes"),
    (("cells.bytes_table", {"function": "table", "table": [300] * 256}), "has a byte outside 0 to 255"),
    (("cells.bytes_table", {}), "needs maps of one size and a table"),
    (("cells.bytes_mean", {"from": STEP}, (), PIXEL), "needs a step from 1e-30 to 1e30, a zero and bounds"),
    (("cells.bytes_mean", MEAN | {"to": [0.0, 1, 0, 255]}, (), PIXEL), "needs a step from 1e-30 to 1e30"),
    (("cells.bytes_mean", MEAN), "gives one number for every channel"),
    (("cells.bytes_add", SUM), "needs a map"),
    (("cells.bytes_stem", {}), "needs a plain float32 tensor"),
    (("cells.resize", BLEND), "blends quantised pixels"),
    (("cells.rows", {"tables": [0.0] * 255}, (), PLAIN), "needs 256 numbers for each quantised map"),
    (("cells.rows", {"tables": [0.0] * 256}, (), ("float32", [70], -1)), "gives another number of elements"),
    (("cells.rows", {"tables": [0.0] * 256}), "gives a plain float32 tensor"),
    (("cells.dequantize", {"quantum": STEP}, (), ("int32", [1, 70, 6, 5], -1)), "gives float32, uint8 or int8"),
    (("cells.dequantize", {"quantum": STEP}, (), ("float32", [70], -1)), "has another shape than its map"),
])  # fmt: skip
def test_step_that_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        plan(*call)


@pytest.mark.parametrize(("image", "message"), [
    (("uint8", [1, 70, 6, 4], 0), "has another shape than its map"),
    (("float32", [1, 70, 6, 5], 0), "has another shape than its map"),
    (("int8", [1, 70, 6, 5], 0), "float32 or uint8"),
])  # fmt: skip
def test_quantised_map_that_does_not_fit_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        plan("cells.dequantize", {"quantum": STEP}, result=PLAIN, image=image)


def of_bytes(*before):
    """A net whose input are bytes with the zero 110; nothing that writes them says so."""
    net = Net(24, 7, 6)
    net.nodes, net.inputs = [], (Value("x", (1, 24, 7, 6), "uint8"),)
    net.last = "x"
    for op, attrs in before:
        net.last = net.node(op, net.last, **attrs)
    net.last = net.node("DequantizeLinear", net.last, net.constant(np.float32(0.03)), net.constant(np.uint8(110)))
    return net


@pytest.mark.parametrize("before", [(), (("MaxPool", {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}),)])
@pytest.mark.parametrize("depthwise", [False, True])
def test_the_border_of_bytes_that_nobody_wrote_is_their_zero(before, depthwise, instructions):
    net = of_bytes(*before)
    net.conv(24, 3, 24 if depthwise else 1, pads=(1, 1, 1, 1))
    graph = net.graph()
    x = np.random.default_rng(5).integers(0, 256, (1, 24, 7, 6)).astype(np.uint8)
    want = run_reference(quantised_form(graph), {"x": x})[net.last]
    plan = native.Plan(*lower(graph, {"x": x.shape}).arguments(), isa=instructions)
    np.testing.assert_array_equal(plan.run([x])[0], want)


def test_a_product_whose_matrix_is_computed_by_one_operand_is_not_taken_for_a_quantised_one():
    net = Net(16, 1, 1)
    flat = net.node("Reshape", net.last, shape=(1, 16))
    matrix = net.node("Relu", net.weight(16, 8, scale=0.01))
    net.last = net.rounded(net.node("Gemm", flat, matrix), 0.05, 110)
    assert "Gemm" in [node.op for node in quantised_form(net.graph()).nodes]


def test_an_image_without_a_zero_point_is_quantised_before_the_stem(instructions):
    net = Net(3, 16, 18)
    net.nodes = []
    net.last = net.rounded("x", 0.03, 0)
    net.conv(16, 3, strides=(2, 2), pads=(1, 1, 1, 1))
    whole = quantised_form(net.graph())
    assert sorted(node.op for node in whole.nodes) == ["DequantizeLinear", "QLinearConv", "QuantizeLinear"]
    nodes = [replace(n, inputs=n.inputs[:2]) if n.op == "QuantizeLinear" else n for n in whole.nodes]  # its zero is 0
    graph = replace(whole, nodes=tuple(nodes))
    x = np.random.default_rng(5).normal(0, 1.5, (1, 3, 16, 18)).astype(np.float32)
    plan = native.Plan(*lower(graph, {"x": x.shape}).arguments(), isa=instructions)
    np.testing.assert_array_equal(plan.run([x])[0], run_reference(graph, {"x": x})[net.last])


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("moves", ["before", "behind", "between"])
def test_heads_of_bytes_are_put_side_by_side(dtype, moves, instructions):
    """In floats, in bytes of one scale, or rounded at every step and once more at the end."""
    net = Net(16, 5, 4, dtype)
    net.conv(100)
    backbone, rows = net.last, []
    for out, kernel, step in ((24, 1, 0.05), (72, 3, 0.03)):
        net.channels, net.last = 100, backbone
        net.conv(out, kernel, strides=(kernel - kernel // 2,) * 2, pads=(kernel // 2,) * 4, step=step)
        last = net.node("Transpose", net.last, perm=(0, 2, 3, 1))
        last = net.rounded(last, 0.04, 128) if moves == "between" else last
        last = net.node("Reshape", last, shape=(1, -1, 24))
        if moves == "behind":
            net.ends = (0.05, 120)
            last = net.node("QuantizeLinear", last, *net.scale(*net.ends))
        rows.append(net.rounded(last, 0.06, 128) if moves == "between" else last)
    net.last = net.node("Concat", *rows, axis=1)
    if moves == "behind":
        net.last = net.node("DequantizeLinear", net.last, *net.scale(*net.ends))
    elif moves == "between":
        net.last = net.rounded(net.last, 0.05, 120)
    check(net, instructions, ["quantize", "chain", "chain", "chain", "rows"])


def test_rows_that_somebody_reads_in_between_are_rounded_by_themselves(instructions):
    net = Net(16, 5, 4)
    net.conv(24)
    turned = net.node("Reshape", net.node("Transpose", net.last, perm=(0, 2, 3, 1)), shape=(1, 20, 24))
    both = net.node("Concat", turned, turned, axis=1)
    net.last = net.node("Add", both, net.rounded(both, 0.05, 120))
    check(net, instructions)


def branches(channels, scales, dtype="uint8"):
    """Give a network of convolutions of one map, each with its step and zero, side by side before they are rounded."""
    net = Net(48, 9, 11, dtype=dtype)
    source, parts = net.last, []
    for out, (step, zero) in zip(channels, scales, strict=True):
        net.last, net.channels = source, 48
        parts.append(net.conv(out, step=step, zero=zero))
    net.channels = sum(channels)
    return net, net.node("Concat", *parts, axis=1)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("channels", [(64, 70), (40, 30, 100)])
def test_concat_of_bytes_is_the_reference(channels, dtype, instructions):
    net, joined = branches(channels, [(0.05, 110), (0.03, 90), (0.05, 110)][: len(channels)], dtype)
    net.last = net.rounded(joined, 0.05, 110)
    net.conv(24, 3, pads=(1,) * 4)
    check(net, instructions, ["quantize", *["chain"] * len(channels), "bytes_table", "concat", "chain", "dequantize"])


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("scales", [(1.0, 1.0, 2.0, 3.0), (1.0, 1.0, 1.0, 0.5)])
def test_nearest_resize_of_bytes_is_the_reference(scales, dtype, instructions):
    net = Net(70, 5, 8, dtype=dtype)
    net.conv(66)
    net.last = net.rounded(net.node("Resize", net.last, scales=scales, mode="nearest"), 0.05, 110)
    net.depthwise(3, pads=(1,) * 4)
    check(net, instructions, ["quantize", "chain", "resize", "chain", "dequantize"])


def test_mean_spread_beside_its_map_is_the_reference(instructions):
    net = Net(64, 7, 9)
    source = net.last
    mean = net.rounded(net.node("GlobalAveragePool", source), 0.01, 100)
    wide = net.node("Resize", mean, sizes=(0, 0, 7, 9), scales=(), mode="nearest")
    net.last = net.rounded(net.node("Concat", net.rounded(wide, 0.01, 100), source, axis=1), 0.03, 120)
    net.channels = 128
    net.conv(20)
    steps = ["quantize", "bytes_mean", "resize", "bytes_table", "concat", "chain", "dequantize"]
    check(net, instructions, steps)


def test_bytes_are_moved_as_what_they_stand_for():
    net = Net(6, 4, 5)
    x = net.last
    small = net.rounded(net.node("Resize", x, scales=(1.0, 1.0, 1.0, 1.0), mode="nearest"), 0.03, 120)
    net.last = net.rounded(net.node("Concat", small, net.rounded(x, 0.07, 90), axis=1), 0.05, 100)
    graph = net.graph()
    moved = quantised_form(graph)
    ops = [node.op for node in moved.nodes]
    assert ops.index("Concat") > max(i for i, op in enumerate(ops) if op == "QuantizeLinear")
    picture = {"x": np.random.default_rng(5).normal(0, 1.5, (1, 6, 4, 5)).astype(np.float32)}
    want = run_reference(graph, picture)[net.last]
    assert len(np.unique(want)) > 8
    np.testing.assert_array_equal(run_reference(moved, picture)[net.last], want)


@pytest.mark.parametrize("how", [{"mode": "linear"}, {"mode": "nearest", "other": True}])
def test_bytes_that_change_on_the_way_are_not_moved(how):
    net = Net(20, 6, 7)
    scale = (0.04, 110) if how.pop("other", False) else (0.03, 120)
    net.last = net.rounded(net.node("Resize", net.last, scales=(1.0, 1.0, 2.0, 2.0), **how), *scale)
    assert [node.op for node in quantised_form(net.graph()).nodes][2] == "Resize"


@pytest.mark.parametrize("zero", [0, 30])
@pytest.mark.parametrize("bias", [3e4, -3e4])
def test_sums_beyond_23_bits_are_the_reference(bias, zero, instructions):
    net = Net(640, 5, 6)
    net.conv(70, step=2.0, zero=zero)
    name = net.nodes[-3].inputs[2]
    net.constants[name] = net.constants[name] * 20 + np.float32(bias) * np.linspace(-1, 1, 70, dtype=np.float32) * 1e-2
    check(net, instructions, ["quantize", "chain", "dequantize"])


@pytest.mark.parametrize("largest", [2**23 - 1, 2**23, 2**23 + 1])
def test_sums_around_23_bits_are_exact(largest, instructions):
    factors = np.float32(100.5 / largest) + np.arange(-32, 32, dtype=np.float32) * np.spacing(np.float32(100 / largest))
    constants = {
        "one": np.float32(1), "zero": np.uint8(0), "w": np.full((64, 259, 1, 1), 127, np.int8), "wz": np.int8(0),
        "factors": factors, "b": np.full(64, largest - 255 * 127 * 259, np.int32),
    }  # fmt: skip
    nodes = (
        Node("QuantizeLinear", ("x", "one", "zero"), ("q",)),
        Node("QLinearConv", ("q", "one", "zero", "w", "factors", "wz", "one", "zero", "b"), ("r",)),
        Node("DequantizeLinear", ("r", "one", "zero"), ("y",)),
    )
    x = np.full((1, 259, 3, 7), 255, np.float32)
    graph = Graph(nodes, (Value("x", x.shape),), (Value("y", ()),), constants)
    want = run_reference(graph, {"x": x})["y"]
    assert set(want.ravel()) == {100, 101}
    program = lower(graph, {"x": x.shape})
    assert [s.op for s in program.steps] == ["cells.quantize", "cells.chain", "cells.dequantize"]
    plan = native.Plan(*program.arguments(), isa=instructions, precision="float32", threads=1)
    np.testing.assert_array_equal(plan.run([x])[0], want)


@pytest.mark.parametrize("group", [1, 64])
@pytest.mark.parametrize("zero", [0, 30])
def test_factors_below_0_are_the_reference(zero, group, instructions):
    net = Net(64, 5, 6)
    net.conv(64, 3, group, zero=zero, pads=(1,) * 4)
    net.constants[net.nodes[-4].inputs[1]][::2] *= -1
    check(net, instructions)


def test_steps_below_0_are_the_reference(instructions):
    net = Net(64, 5, 6)
    other = net.rounded("x", -0.05, 110)
    net.last = net.rounded(net.node("Add", net.last, other), -0.03, 90)
    check(net, instructions)


def test_convolutions_to_a_step_below_0_are_the_reference(instructions):
    net = Net(64, 5, 6)
    net.conv(64, step=-0.05, end=("Relu", {}))
    check(net, instructions, atol=0.0501)  # a level: sums in float32 fall on either side of a rounding


def windows_of_joined(zeros, nested=False):
    """Maps of bytes with these zero points side by side, and a padded window on all of them whose zero is 0."""
    rng = np.random.default_rng(3)
    channels = 64 * len(zeros) * (2 if nested else 1)
    constants = {
        "one": np.float32(1), "none": np.uint8(0), "small": np.float32(5e-4), "wz": np.int8(0),
        "w": rng.integers(-127, 128, (64, channels, 3, 3)).astype(np.int8), "last": np.float32(5e-4),
    }  # fmt: skip
    nodes = [Node("QuantizeLinear", ("x", "one", "none"), ("q",))]
    for i, zero in enumerate(zeros):
        constants |= {f"zero{i}": np.uint8(zero), f"w{i}": rng.integers(-127, 128, (64, 64, 1, 1)).astype(np.int8)}
        operands = ("q", "one", "none", f"w{i}", "small", "wz", "one", f"zero{i}")
        nodes.append(Node("QLinearConv", operands, (f"r{i}",)))
    parts = tuple(f"r{i}" for i in range(len(zeros)))
    nodes.append(Node("Concat", parts, ("joined",), {"axis": 1}))
    if nested:
        nodes.append(Node("Concat", ("joined", *parts), ("all",), {"axis": 1}))
    operands = ("all" if nested else "joined", "one", "none", "w", "last", "wz", "one", "none")
    nodes.append(Node("QLinearConv", operands, ("r",), {"pads": (1, 1, 1, 1)}))
    nodes.append(Node("DequantizeLinear", ("r", "one", "none"), ("y",)))
    return Graph(tuple(nodes), (Value("x", (1, 64, 6, 9)),), (Value("y", ()),), constants)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("zeros", [(0, 0), (0, 128), (128, 0), (128, 128)])
def test_windows_on_maps_of_several_zeros_side_by_side_are_the_reference(zeros, nested, instructions):
    graph = windows_of_joined(zeros, nested)
    x = np.random.default_rng(5).integers(0, 256, (1, 64, 6, 9)).astype(np.float32)
    want = run_reference(graph, {"x": x})["y"]
    assert len(np.unique(want)) > 50
    program = lower(graph, {"x": x.shape})
    assert ("QLinearConv" in {s.op for s in program.steps}) == (zeros != (0, 0))
    plan = native.Plan(*program.arguments(), isa=instructions, precision="float32", threads=1)
    for _ in range(2):
        plan.poison()
        np.testing.assert_array_equal(plan.run([x])[0], want)
