"""Pools, resampling, concatenations, shuffles, grouped convolutions and matrix products, on maps and beside them."""

from dataclasses import replace

import numpy as np
import pytest

from underone.compare import difference
from underone.graph import Graph, Node, Value, run_reference
from underone.native import lower
from underone.native.composites import join_gelu

native = pytest.importorskip("underone._native", reason="the compiled part is not installed")

LIMITS = {"float32": 1e-10, "bfloat16": 1e-4}
ISAS = [*native.isas(), *(["avx512_bf16"] if native.has_dots() else []), *(["amx"] if native.has_amx() else [])]
SETTINGS = [(isa, precision) for precision in LIMITS for isa in ISAS if isa in native.isas() or precision == "bfloat16"]


@pytest.fixture(params=SETTINGS, ids=lambda s: f"{s[0]}-{s[1]}")
def setting(request):
    return request.param


class Net:
    """A small network, written node by node; the last node's first output is the output."""

    def __init__(self, *shape, seed=0):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants, self.shape = [], {}, shape

    def constant(self, *shape, scale=1.0):
        name = f"c{len(self.constants)}"
        self.constants[name] = _short(self.rng.normal(0, scale, shape))
        return name

    def number(self, value):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.float32(value)
        return name

    def node(self, op, *inputs, outputs=1, **attrs):
        names = tuple(f"t{len(self.nodes)}_{i}" for i in range(outputs))
        self.nodes.append(Node(op, inputs, names, attrs))
        return names if outputs > 1 else names[0]

    def conv(self, x, channels, out, kernel=1, group=1, **attrs):
        ks = (kernel, kernel) if isinstance(kernel, int) else kernel
        weight = self.constant(out, channels // group, *ks, scale=(channels // group * ks[0] * ks[1]) ** -0.5)
        return self.node("Conv", x, weight, self.constant(out), group=group, **attrs)


def _short(values):
    """Numbers that are the same in bfloat16: what is measured is the arithmetic."""
    return (values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def check(net, last, setting, threads=1, factor=1.0, steps=None, absent=(), more=()):
    """Compare a network with the reference, twice, the second time on memory full of NaN; `more`: inputs beside x."""
    isa, precision = setting
    outputs = last if isinstance(last, tuple) else (last,)
    given = {"x": _short(np.random.default_rng(7).normal(0, 1, net.shape)), **dict(more)}
    sizes = {name: value.shape for name, value in given.items()}
    inputs = tuple(Value(name, shape) for name, shape in sizes.items())
    graph = Graph(tuple(net.nodes), inputs, tuple(Value(n, ()) for n in outputs), net.constants)
    program = lower(graph, sizes)
    found_steps = [s.op for s in program.steps]
    if steps is not None:
        assert found_steps == steps
    assert not set(absent) & set(found_steps), found_steps
    plan = native.Plan(*program.arguments(), isa=isa, precision=precision, threads=threads)
    wanted = run_reference(graph, given, np.float64)
    for _ in range(2):
        for name, found in zip(outputs, plan.run([*given.values()]), strict=True):
            assert found.shape == wanted[name].shape
            assert difference(found, wanted[name])[0] <= factor * LIMITS[precision]
        plan.poison()
    return plan


POOLS = [
    {"kernel_shape": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1)},
    {"kernel_shape": (3, 3), "strides": (2, 2), "ceil_mode": 1},
    {"kernel_shape": (2, 2), "strides": (2, 2)},
    {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)},
    {"kernel_shape": (3, 2), "strides": (1, 3), "pads": (2, 0, 1, 1), "dilations": (2, 1)},
    {"kernel_shape": (2, 2), "auto_pad": "SAME_UPPER", "strides": (2, 2)},
    {"kernel_shape": (5, 5), "pads": (2, 2, 2, 2)},
]


@pytest.mark.parametrize("window", POOLS, ids=str)
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_pools_are_the_reference(setting, op, window):
    for threads, channels in ((1, 16), (2, 41)):
        net = Net(1, 24, 13, 10)
        x = net.conv("x", 24, channels)
        last = net.node(op, x, **window)
        check(net, last, setting, threads, steps=["cells.load", "cells.chain", "cells.pool", "cells.store"])


def test_average_pools_can_count_the_padding(setting):
    net = Net(1, 24, 9, 10)
    x = net.conv("x", 24, 40)
    last = net.node("AveragePool", x, kernel_shape=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1), count_include_pad=1)
    check(net, last, setting, absent=["AveragePool"])


@pytest.mark.parametrize("rule", ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize(("mode", "size"), [("linear", (13, 20)), ("linear", (4, 3)), ("nearest", (14, 15))])
def test_resampling_is_the_reference(setting, mode, size, rule):
    net = Net(1, 24, 7, 5)
    x = net.conv("x", 24, 40)
    x = net.node("Resize", x, sizes=(0, 0, *size), mode=mode, coordinate_transformation_mode=rule, nearest_mode="floor")
    last = net.conv(x, 40, 16)
    check(net, last, setting, 2, factor=2, absent=["Resize"])


@pytest.mark.parametrize("channels", [24, 40])
def test_one_pixel_that_is_enlarged_is_the_reference(setting, channels):
    net = Net(1, 24, 7, 5)
    x = net.conv("x", 24, 32)
    pooled = net.conv(net.node("GlobalAveragePool", x), 32, channels)
    large = net.node(
        "Resize", pooled, sizes=(0, 0, 7, 5), mode="linear", coordinate_transformation_mode="align_corners"
    )
    last = net.conv(net.node("Concat", large, x, axis=1), channels + 32, 16)
    check(net, last, setting, 2, absent=["Resize"])


def heads(net, channels, sizes):
    """Convolutions on maps of several sizes, turned, reshaped and joined as a detector does."""
    rows, x = [], "x"
    for count, size in zip(channels, sizes, strict=True):
        made = net.conv(x, 24, count, 3, pads=(1, 1, 1, 1), strides=(2, 2) if size != sizes[0] else (1, 1))
        x = net.conv(x, 24, 24, 3, pads=(1, 1, 1, 1), strides=(2, 2)) if size == sizes[0] else x
        turned = net.node("Transpose", made, perm=(0, 2, 3, 1))
        rows.append(net.node("Reshape", turned, shape=(1, -1, 6)))
    return net.node("Concat", *rows, axis=1)


@pytest.mark.parametrize("channels", [(18, 36), (96, 6), (30, 546)], ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_heads_are_rows_of_pixels_and_the_reference(setting, channels, threads):
    net = Net(1, 24, 10, 7)
    last = heads(net, channels, ((10, 7), (3, 2)))
    check(net, last, setting, threads, absent=["Transpose", "Reshape", "Concat", "cells.store"])


def labels_of(setting, graph, shape, threads):
    program = lower(graph, {"x": shape})
    steps = [s.op for s in program.steps]
    assert steps == ["cells.load", "cells.chain", "cells.store", "cells.labels"]
    plan = native.Plan(*program.arguments(), isa=setting[0], precision=setting[1], threads=threads)
    return plan.run([_short(np.random.default_rng(7).normal(0, 1, shape))])


@pytest.mark.parametrize("rule", ["half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize(
    ("mode", "size", "keepdims"), [("linear", (70, 131), 1), ("linear", (4, 3), 0), ("nearest", (14, 15), 0)]
)
def test_labels_of_enlarged_maps_are_the_reference(setting, mode, size, keepdims, rule):
    net = Net(1, 24, 7, 5)
    x = net.conv("x", 24, 21)
    large = net.node(
        "Resize", x, sizes=(0, 0, *size), mode=mode, coordinate_transformation_mode=rule, nearest_mode="floor"
    )
    last = net.node("ArgMax", large, axis=1, keepdims=keepdims)
    graph = Graph(tuple(net.nodes), (Value("x", net.shape),), (Value(last, ()),), net.constants)
    [found] = labels_of(setting, graph, net.shape, 1)
    maps = Graph(tuple(net.nodes), (Value("x", net.shape),), (Value(large, ()),), net.constants)
    wanted = run_reference(maps, {"x": _short(np.random.default_rng(7).normal(0, 1, net.shape))}, np.float64)[large][0]
    assert found.shape == ((1, 1, *size) if keepdims else (1, *size))
    assert found.dtype == np.int64
    best, chosen = wanted.max(0), np.take_along_axis(wanted, found.reshape(1, *size), 0)[0]
    assert (best - chosen).max() <= (1e-5 if setting[1] == "float32" else 0.05)
    assert np.array_equal(found, labels_of(setting, graph, net.shape, 3)[0])


PARTS = [(32, 64, 32), (16, 48, 32), (19, 40, 7), (8, 8, 8), (64, 5)]


@pytest.mark.parametrize("parts", PARTS, ids=str)
@pytest.mark.parametrize("border", [0, 1])
def test_maps_side_by_side_are_the_reference(setting, parts, border):
    for threads in (1, 2):
        net = Net(1, 20, 9, 7)
        parted = [net.conv("x", 20, n) for n in parts]
        joint = net.node("Concat", *parted, axis=1)
        window = {"kernel": 3, "pads": (1, 1, 1, 1)} if border else {}
        a = net.conv(joint, sum(parts), 24, **window)
        b = net.conv(parted[0], parts[0], 16)  # a part is read by itself, too
        check(net, (a, b), setting, threads, factor=2, absent=["Concat"])


def test_growing_concatenations_share_one_map(setting):
    grown = 4
    net = Net(1, 32, 12, 11)
    maps = [net.conv("x", 32, 32)]
    for _ in range(grown):
        x = net.node("Concat", *maps, axis=1) if len(maps) > 1 else maps[0]
        maps.append(net.conv(x, 32 * len(maps), 32, 3, pads=(1, 1, 1, 1)))
    last = net.node("MaxPool", net.node("Concat", *maps, axis=1), kernel_shape=(12, 11))
    plan = check(net, last, setting, factor=3, absent=["Concat"])
    cell = 4 if setting[1] == "float32" else 2
    everything = 32 * (grown + 1) * 14 * 13 * cell  # with its border
    assert plan.activation_bytes < 2 * everything + (1 << 20)  # the scratch memory of a product is less than that


def pyramid(net, at, branches, out=32, axis=1, **resize):
    """A pooled branch before, behind or among others, and a product of them all."""
    x = net.conv("x", 24, 48)
    pooled = net.node("Relu", net.conv(net.node("GlobalAveragePool", x), 48, 40))
    how = {"sizes": (0, 0, *net.shape[2:]), "mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    flat = net.node("Resize", pooled, **(how | resize))
    others = [net.node("Relu", net.conv(x, 48, 24 + 8 * i)) for i in range(branches)]
    joined = net.node("Concat", *others[:at], flat, *others[at:], axis=axis)
    return net.node("Relu", net.conv(joined, 40 + sum(24 + 8 * i for i in range(branches)), out))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("at", "branches", "axis"), [(0, 1, 1), (1, 1, -3), (0, 3, 1), (1, 2, 1)])
@pytest.mark.parametrize("size", [(7, 7), (20, 19)])
def test_a_pooled_branch_is_the_bias_of_a_product_and_the_reference(setting, size, at, branches, axis, threads):
    net = Net(1, 24, *size)
    last = pyramid(net, at, branches, axis=axis)
    check(net, last, setting, threads, factor=2, absent=["Resize", "cells.resize", "Conv", "cells.dense"])
    check(net, net.conv(last, 32, 8), setting, threads, factor=2, absent=["cells.resize"])


@pytest.mark.parametrize(("out", "how"), [(40, {}), (32, {"mode": "cubic"})])
def test_other_pooled_branches_stay_maps(out, how):
    net = Net(1, 24, 9, 8)
    last = pyramid(net, 0, 1, out, **how)
    graph = Graph(tuple(net.nodes), (Value("x", net.shape),), (Value(last, ()),), net.constants)
    steps = [s.op for s in lower(graph, {"x": net.shape}).steps]
    assert {"Resize", "cells.resize"} & set(steps)


def test_a_pixel_whose_channels_are_enlarged_too_stays_a_map():
    net = Net(1, 24, 9, 8)
    pixel = net.node("GlobalAveragePool", net.conv("x", 24, 20))
    flat = net.node("Resize", pixel, sizes=(1, 40, 9, 8), mode="nearest")
    last = net.conv(net.node("Concat", flat, net.conv("x", 24, 32), axis=1), 72, 32)
    check(net, last, SETTINGS[0], factor=2)


def test_a_layer_that_stays_apart_keeps_its_pooled_branch():
    net = Net(1, 24, 9, 8)
    last = pyramid(net, 0, 1)
    graph = Graph(tuple(net.nodes), (Value("x", net.shape),), (Value(last, ()),), net.constants)
    for node in graph.nodes:
        if node.op in ("Concat", "Resize"):
            steps = lower(graph, {"x": net.shape}, [node.outputs[0]]).steps
            assert {"Resize", "cells.resize"} & {s.op for s in steps}


@pytest.mark.parametrize("out", [32, 40])
def test_a_product_whose_bias_is_an_input_keeps_its_pooled_branch_and_is_the_reference(setting, out):
    net = Net(1, 24, 9, 8)
    last = pyramid(net, 1, 2, out)
    product = net.nodes[-2]
    net.nodes[-2] = replace(product, inputs=(*product.inputs[:2], "bias"))
    bias = {"bias": _short(net.rng.normal(0, 1, out))}
    check(net, last, setting, factor=2, more=bias)


def test_concatenations_of_one_map_twice_are_the_reference(setting):
    net = Net(1, 16, 5, 5)
    x = net.conv("x", 16, 32)
    y = net.node("Relu", x)
    last = net.conv(net.node("Concat", x, y, x, axis=1), 96, 16)
    check(net, last, setting, factor=2, absent=["Concat"])


def test_a_concatenation_inside_another_is_the_reference(setting):
    net = Net(1, 16, 6, 5)
    a, b, c = (net.conv("x", 16, n) for n in (32, 24, 32))
    inner = net.node("Concat", a, b, axis=1)
    outer = net.node("Concat", inner, c, axis=1)
    check(net, (net.conv(inner, 56, 8), net.conv(outer, 88, 8)), setting, factor=2, absent=["Concat"])


@pytest.mark.parametrize(("channels", "groups"), [(64, 2), (58, 2), (48, 3), (20, 4)])
def test_shuffled_and_split_channels_are_the_reference(setting, channels, groups):
    net = Net(1, 16, 7, 6)
    size = (1, groups, channels // groups, 7, 6)
    x = net.node("Concat", net.conv("x", 16, channels // 2), net.conv("x", 16, channels // 2), axis=1)
    x = net.node("Transpose", net.node("Reshape", x, shape=size), perm=(0, 2, 1, 3, 4))
    x = net.node("Reshape", x, shape=(1, channels, 7, 6))
    a, b = net.node("Split", x, outputs=2, axis=1, split=(channels // 2, channels // 2))
    c = net.node("Slice", x, starts=(3,), ends=(13,), axes=(1,), steps=(1,))
    outputs = net.conv(a, channels // 2, 16), net.node("Concat", b, c, axis=1)
    check(net, outputs, setting, factor=2, absent=["Concat", "Split", "Slice", "Reshape", "Transpose"])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("channels", "out", "groups"), [(64, 64, 4), (48, 96, 2), (24, 24, 3), (32, 64, 32), (40, 20, 5)]
)
@pytest.mark.parametrize("stride", [1, 2])
def test_grouped_convolutions_are_the_reference(setting, channels, out, groups, stride, threads):
    net = Net(1, 16, 15, 9)
    x = net.conv("x", 16, channels)
    x = net.conv(x, channels, out, 3, groups, pads=(1, 1, 1, 1), strides=(stride, stride))
    check(net, net.node("Relu", x), setting, threads, factor=2, absent=["Conv"])


@pytest.mark.parametrize("dilation", [2, 9, 12, 40])
def test_wide_dilations_on_small_maps_are_the_reference(setting, dilation):
    net = Net(1, 16, 13, 17)
    x = net.conv("x", 16, 48)
    pads = (dilation,) * 4
    last = net.conv(x, 48, 40, 3, pads=pads, dilations=(dilation, dilation))
    check(net, net.node("HardSwish", last), setting, 2, factor=2, absent=["Conv"])


@pytest.mark.parametrize("size", [(7, 7), (9, 30), (16, 5), (33, 33), (2, 1)])
@pytest.mark.parametrize("out", [16, 33, 64])
def test_dense_windows_with_a_residual_are_the_reference(setting, size, out):
    net = Net(1, 16, *size)
    a = net.conv("x", 16, out)
    b = net.conv(a, out, out, 3, pads=(1, 1, 1, 1))
    check(net, net.node("Relu", net.node("Add", b, a)), setting, factor=2)


def test_of_two_convolutions_that_are_added_both_run_on_maps(setting):
    net = Net(1, 32, 14, 14)
    x = net.node("Relu", net.conv("x", 32, 32))
    a = net.conv(net.node("Relu", net.conv(x, 32, 32, 3, pads=(1, 1, 1, 1), strides=(2, 2))), 32, 64)
    b = net.conv(x, 32, 64, strides=(2, 2))
    check(net, net.node("Relu", net.node("Add", a, b)), setting, factor=3, absent=["Conv", "cells.add"])


@pytest.mark.parametrize("kernel", [3, 5, 7, (7, 1), (1, 17), (2, 40)])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_images_unfolded_by_lines_are_the_reference(setting, kernel, stride):
    net = Net(1, 3, 45, 50)
    check(net, net.conv("x", 3, 32, kernel, pads=(3, 2, 0, 5), strides=(stride, stride)), setting)


def test_factors_and_shifts_by_channel_are_the_reference(setting):
    net = Net(1, 16, 6, 7)
    x = net.conv("x", 16, 40)
    net.conv(x, 40, 16)  # a second reader: the batch norm cannot be folded
    spread = net.constant(40)
    net.constants[spread] = np.abs(net.constants[spread]) + np.float32(0.5)
    y = net.node("BatchNormalization", x, net.constant(40), net.constant(40), net.constant(40), spread)
    y = net.node("Mul", net.node("Relu", y), net.constant(1, 40, 1, 1))
    y = net.node("Sub", net.node("Add", net.constant(40, 1, 1), y), net.number(0.25))
    last = net.node("Div", y, net.number(1.5))
    check(
        net,
        (last, net.nodes[1].outputs[0]),
        setting,
        factor=4,
        absent=["BatchNormalization", "Mul", "Add", "Sub", "Div"],
    )


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("rows", "depth", "columns"), [(1, 16, 16), (5, 3, 7), (14, 64, 32), (29, 40, 100), (300, 50, 33)]
)
def test_products_with_a_constant_are_the_reference(setting, rows, depth, columns, threads):
    net = Net(2, rows, depth)
    y = net.node("MatMul", "x", net.constant(depth, columns, scale=depth**-0.5))
    y = net.node("Add", net.constant(columns), y)
    a = net.node("Mul", y, net.node("Sigmoid", y))
    b = net.node("Add", net.node("MatMul", a, net.constant(columns, columns, scale=columns**-0.5)), a)
    steps = ["cells.matmul", "cells.matmul"]
    check(net, b, setting, threads, steps=steps)


@pytest.mark.parametrize("attrs", [{}, {"transA": 1}, {"transB": 1}, {"alpha": 0.5, "transA": 1, "transB": 1}], ids=str)
def test_gemm_of_many_rows_is_the_reference(setting, attrs):
    net = Net(*((20, 37) if attrs.get("transA") else (37, 20)))
    weight = net.constant(*((18, 20) if attrs.get("transB") else (20, 18)))
    check(net, net.node("Gemm", "x", weight, net.constant(18), **attrs), setting, steps=["cells.matmul"])


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("tokens", "heads", "depth"), [(9, 2, 8), (50, 3, 16), (197, 1, 20)])
def test_attention_is_the_reference(setting, tokens, heads, depth, threads):
    net = Net(2, tokens, heads * depth)
    qkv = net.node("MatMul", "x", net.constant(heads * depth, 3 * heads * depth, scale=(heads * depth) ** -0.5))
    parts = net.node("Reshape", qkv, shape=(2, tokens, 3, heads, depth))
    parts = net.node("Split", net.node("Transpose", parts, perm=(2, 0, 3, 1, 4)), outputs=3, axis=0, split=(1, 1, 1))
    q, k, v = (net.node("Squeeze", p, axes=(0,)) for p in parts)
    scale = net.number(depth**-0.25)
    k = net.node("Mul", net.node("Transpose", k, perm=(0, 1, 3, 2)), scale)
    y = net.node("Softmax", net.node("MatMul", net.node("Mul", q, scale), k), axis=-1)
    y = net.node("Transpose", net.node("MatMul", y, v), perm=(0, 2, 1, 3))
    y = net.node("Reshape", y, shape=(2, tokens, heads * depth))
    last = net.node("MatMul", y, net.constant(heads * depth, 24))
    check(net, last, setting, threads, absent=["MatMul", "Softmax", "Split", "Mul"])


def test_broadcast_products_are_the_reference(setting):
    net = Net(3, 1, 10, 12)
    y = net.node("MatMul", "x", net.constant(2, 12, 9))
    check(net, net.node("Softmax", y, axis=-1), setting, 2, steps=["cells.matmul"])


@pytest.mark.parametrize("turned", [False, True])
def test_gelu_in_many_nodes_is_one(turned):
    net = Net(2, 5, 16)
    y = net.node("MatMul", "x", net.constant(16, 16))
    inner = net.node("Mul", net.number(0.5**0.5), y) if turned else net.node("Div", y, net.number(2**0.5))
    erf = net.node("Add", net.number(1.0), net.node("Erf", inner))
    half = net.node("Mul", y, net.number(0.5)) if turned else ""
    last = net.node("Mul", half or net.node("Mul", y, erf), erf if half else net.number(0.5))
    graph = Graph(tuple(net.nodes), (Value("x", net.shape),), (Value(last, ()),), net.constants)
    ops = [n.op for n in join_gelu(graph).nodes]
    assert ops == (["MatMul", "Mul", "Erf", "Add", "Mul", "Mul"] if turned else ["MatMul", "Gelu"])


def test_gelu_behind_a_product_is_the_reference(setting):
    net = Net(3, 7, 16)
    y = net.node("MatMul", "x", net.constant(16, 40))
    check(net, net.node("Gelu", y), setting, steps=["cells.matmul"])


def test_numbers_without_axes_stay_numbers(setting):
    net = Net(1, 5, 8)
    net.constants["first"] = np.array(0, np.int64)
    check(net, net.node("Gather", "x", "first", axis=1), setting)


MAPS = [("float32", (1, 48, 8, 8), -1), ("float32", (1, 48, 8, 8), 0), ("float32", (1, 48, 8, 8), 0)]
LOAD, STORE = ("cells.load", "x", {}, [0], [1]), ("cells.store", "y", {}, [2], [3])
WINDOW = {"kernel": [3, 3], "strides": [1, 1], "dilations": [1, 1], "pads": [1, 1, 1, 1]}
PLACES = {"y_places": [0, 0] * 8, "y_weights": [0.0] * 8, "x_places": [0, 0] * 8, "x_weights": [0.0] * 8}


def refused(op, attrs, operands=(1,), constants=()):
    tensors = [*MAPS, ("float32", (1, 48, 8, 8), -1), *(("float32", c.shape, -1) for c in constants)]
    numbers = {4 + i: c for i, c in enumerate(constants)}
    steps = [LOAD, (op, "node", attrs, [*operands, *numbers], [2]), STORE]
    native.Plan(tensors, numbers, steps, [0], [3], isa=native.isas()[0])


@pytest.mark.parametrize(("op", "attrs", "message"), [
    ("cells.pool", WINDOW | {"pads": [0, 0, 9, 9], "strides": [3, 3]}, "has a window that lies in the padding"),
    ("cells.pool", WINDOW | {"kernel": [5000, 3]}, r"has a window outside what is allowed \(4096\)"),
    ("cells.resize", {}, "needs two places and a weight for each output position"),
    ("cells.resize", PLACES | {"x_places": [0, 8] * 8}, "reads outside its map"),
    ("cells.resize", PLACES | {"y_weights": [float("nan")] * 8}, "reads outside its map"),
    ("cells.rows", {}, "gives a plain float32 tensor"),
    ("cells.concat", {}, "needs runs of three numbers"),
    ("cells.concat", {"runs": [1, 0, 48]}, "has a run of no operand"),
    ("cells.concat", {"runs": [0, 16, 48]}, "has a run outside its operand"),
    ("cells.concat", {"runs": [0, 0, 32]}, "gives another number of channels"),
])  # fmt: skip
def test_steps_on_maps_that_do_not_fit_are_refused(op, attrs, message):
    with pytest.raises(ValueError, match="node: cells.*" + message):
        refused(op, attrs)


@pytest.mark.parametrize(("op", "attrs", "kind", "message"), [
    ("cells.rows", {}, ("float32", (1, 64, 47)), "gives another number of elements"),
    ("cells.labels", PLACES, ("float32", (1, 8, 8)), "gives a plain int64 tensor"),
    ("cells.labels", PLACES, ("int64", (2, 8, 8)), "gives one label for each pixel"),
    ("cells.labels", PLACES | {"y_places": [0, 8] * 8}, ("int64", (1, 8, 8)), "reads outside its map"),
])  # fmt: skip
def test_steps_that_leave_the_maps_and_do_not_fit_are_refused(op, attrs, kind, message):
    tensors = [*MAPS[:2], (*kind, -1)]
    steps = [LOAD, (op, "node", attrs, [int(op == "cells.rows")], [2])]
    with pytest.raises(ValueError, match="node: cells.*" + message):
        native.Plan(tensors, {}, steps, [0], [2], isa=native.isas()[0])


@pytest.mark.parametrize(("op", "attrs", "shapes", "message"), [
    ("cells.affine", {}, [(48,), (47,)], "needs one value for every channel"),
    ("cells.dense", WINDOW, [(48, 48, 3, 3)], "reads past the border of its map"),
    ("cells.dense", {"group": 5}, [(48, 48, 1, 1)], "has groups that do not divide its channels"),
    ("cells.dense", {"group": 3}, [(48, 48, 1, 1)], "has a weight of another shape"),
])  # fmt: skip
def test_weights_that_do_not_fit_are_refused(op, attrs, shapes, message):
    operands = (1, -1) if op == "cells.dense" else (1,)
    with pytest.raises(ValueError, match="node: cells.*" + message):
        refused(op, attrs, operands, [np.ones(s, np.float32) for s in shapes])


def test_a_computed_bias_that_does_not_fit_is_refused():
    tensors = [*MAPS, ("float32", (47,), -1), ("float32", (48, 48, 1, 1), -1)]
    steps = [LOAD, ("cells.chain", "node", {}, [1, -1, -1, -1, -1, -1, 4, 3], [2]), ("cells.store", "y", {}, [2], [5])]
    with pytest.raises(ValueError, match=r"node: cells.* has a computed bias that does not fill the cells of its map"):
        native.Plan(
            [*tensors, tensors[0]], {4: np.ones((48, 48, 1, 1), np.float32)}, steps, [0, 3], [5], isa=native.isas()[0]
        )


PRODUCT = {
    "rows": 4,
    "depth": 6,
    "columns": 5,
    "a_starts": [0],
    "a_strides": [6, 1],
    "b_starts": [0],
    "b_strides": [5, 1],
}


@pytest.mark.parametrize(("change", "message"), [
    ({"rows": 0}, r"has a size outside what is allowed \(2\^24\)"),
    ({"rows": 5}, "reads outside its operand"),
    ({"b_starts": [1]}, "reads outside its operand"),
    ({"b_starts": [0, 0]}, "has stacks of different sizes"),
    ({"a_strides": [6]}, "needs where its matrices begin, and two strides"),
    ({"a_strides": [-6, 1]}, "has a stride that does not fit"),
    ({"columns": 4}, "gives another size"),
])  # fmt: skip
def test_products_that_do_not_fit_are_refused(change, message):
    tensors = [("float32", shape, -1) for shape in ((4, 6), (4, 5), (6, 5))]
    steps = [("cells.matmul", "node", PRODUCT | change, [0, 2], [1])]
    with pytest.raises(ValueError, match="node: cells.matmul " + message):
        native.Plan(tensors, {2: np.ones((6, 5), np.float32)}, steps, [0], [1], isa=native.isas()[0])


def test_one_by_one_windows_on_maps_with_a_wide_border_are_the_reference(setting):
    net = Net(1, 16, 9, 9)
    x = net.conv("x", 16, 48)
    a = net.conv(x, 48, 16, 3, pads=(6, 6, 6, 6), dilations=(6, 6))
    check(net, (a, net.conv(x, 48, 24)), setting, 2, factor=2)
