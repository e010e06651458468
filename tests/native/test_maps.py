"""Steps on maps: every kernel on every instruction set, odd shapes, poisoned memory, against the reference."""

import numpy as np
import pytest

from underone.compare import difference
from underone.graph import Graph, Node, Value, run_reference
from underone.native import lower

native = pytest.importorskip("underone._native", reason="the compiled part is not installed")

LIMITS = {"float32": 1e-10, "bfloat16": 1e-4}
ISAS = [*native.isas(), *(["avx512_bf16"] if native.has_dots() else []), *(["amx"] if native.has_amx() else [])]
SETTINGS = [(isa, precision) for precision in LIMITS for isa in ISAS if isa in native.isas() or precision == "bfloat16"]


@pytest.fixture(params=SETTINGS, ids=lambda s: f"{s[0]}-{s[1]}")
def setting(request):
    return request.param


class Net:
    """A small network, written node by node."""

    def __init__(self, channels, height, width, seed=0):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants = [], {}
        self.inputs = (Value("x", (1, channels, height, width)),)
        self.last, self.channels = "x", channels

    def node(self, op, *inputs, **attrs):
        name = f"t{len(self.nodes)}"
        self.nodes.append(Node(op, inputs or (self.last,), (name,), attrs))
        self.last = name
        return name

    def constant(self, *shape, scale=1.0):
        name = f"c{len(self.constants)}"
        # a bfloat16 weight is the same number in float32: what is measured is the arithmetic
        values = self.rng.normal(0, scale, shape).astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
        self.constants[name] = values.view(np.float32)
        return name

    def conv(self, out, kernel=1, group=1, bias=True, **attrs):
        ks = (kernel, kernel) if isinstance(kernel, int) else kernel
        fan = self.channels // group * ks[0] * ks[1]
        operands = [self.last, self.constant(out, self.channels // group, *ks, scale=fan**-0.5)]
        operands += [self.constant(out)] if bias else []
        self.channels = out
        return self.node("Conv", *operands, **({"group": group} | attrs))

    def depthwise(self, kernel=3, **attrs):
        return self.conv(self.channels, kernel, self.channels, **attrs)

    def graph(self):
        return Graph(tuple(self.nodes), self.inputs, (Value(self.last, ()),), self.constants)


def check(net, setting, threads=1, limit=None, steps=None):
    """Compare a network with the reference, twice, the second time on memory full of NaN."""
    isa, precision = setting
    graph = net.graph()
    sizes = {v.name: v.shape for v in graph.inputs}
    program = lower(graph, sizes)
    if steps is not None:
        assert [s.op for s in program.steps] == steps
    plan = native.Plan(*program.arguments(), isa=isa, precision=precision, threads=threads)
    x = np.random.default_rng(7).normal(0, 1, sizes["x"]).astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    x = x.view(np.float32)
    wanted = run_reference(graph, {"x": x}, np.float64)[net.last]
    for _ in range(2):
        found = plan.run([x])[0]
        nmse, _ = difference(found, wanted)
        assert nmse <= (limit or LIMITS[precision])
        plan.poison()


SIZES = [(1, 1), (2, 3), (5, 4), (7, 7), (9, 17), (14, 14), (33, 21)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("channels", "out"), [(16, 16), (32, 48), (19, 40), (24, 24), (72, 8), (320, 33), (72, 80)])
def test_products_are_the_reference(setting, size, channels, out):
    net = Net(channels, *size)
    net.conv(out)
    vector = size == (1, 1)
    check(net, setting, steps=["cells.linear"] if vector else ["cells.load", "cells.chain", "cells.store"])


@pytest.mark.parametrize("pads", [(1, 1, 1, 1), (0, 2, 2, 0)])
def test_window_on_a_single_pixel_is_the_product_of_one_of_its_taps(setting, pads):
    net = Net(24, 1, 1)
    net.conv(40, kernel=3, pads=pads)
    check(net, setting, steps=["cells.linear"])


WINDOWS = [
    (3, {"pads": (1, 1, 1, 1)}),
    (3, {"pads": (1, 1, 1, 1), "strides": (2, 2)}),
    (3, {"pads": (0, 0, 1, 1), "strides": (2, 2)}),
    (3, {"auto_pad": "SAME_UPPER", "strides": (2, 2)}),
    (3, {"auto_pad": "SAME_LOWER"}),
    (5, {"pads": (2, 2, 2, 2)}),
    (5, {"pads": (2, 2, 2, 2), "strides": (2, 2)}),
    (7, {"pads": (3, 3, 3, 3)}),
    (3, {"pads": (2, 2, 2, 2), "dilations": (2, 2)}),
    (3, {"pads": (6, 0, 0, 6), "strides": (3, 1)}),
    ((1, 5), {"pads": (0, 2, 0, 2)}),
    ((3, 2), {"pads": (1, 0, 1, 1), "strides": (1, 2), "dilations": (1, 3)}),
    (2, {"pads": (1, 1, 1, 1), "strides": (4, 4)}),
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("size", [(7, 8), (15, 9), (28, 28)])
def test_depthwise_windows_are_the_reference(setting, size, window):
    for channels in (16, 40):
        net = Net(channels, *size)
        net.depthwise(window[0], **window[1])
        check(net, setting)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_dense_windows_are_the_reference(setting, window):
    for channels, out in ((16, 24), (37, 48)):
        net = Net(channels, 13, 10)
        net.conv(out, window[0], **window[1])
        net.node("Relu")
        check(net, setting)


@pytest.mark.parametrize("size", [(7, 9), (15, 16), (32, 32), (33, 47), (66, 64)])
@pytest.mark.parametrize("pads", [(1, 1, 1, 1), (0, 0, 1, 1), (1, 0, 0, 1)])
def test_stems_are_the_reference(setting, size, pads):
    net = Net(3, *size)
    net.conv(48, 3, strides=(2, 2), pads=pads)
    net.node("Clip", min=0.0, max=6.0)
    check(net, setting, steps=["cells.stem", "cells.store"])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [(14, 15), (15, 16), (40, 47), (66, 64)])
@pytest.mark.parametrize(
    ("stride", "pads"), [(1, (1, 1, 1, 1)), (2, (1, 1, 1, 1)), (2, (0, 0, 1, 1)), (2, (0, 0, 0, 0))]
)
def test_stems_joined_to_a_chain_are_the_reference(setting, size, stride, pads, threads):
    net = Net(3, *size)
    net.conv(40, 3, strides=(2, 2), pads=pads)
    net.node("HardSwish" if stride == 1 else "Relu")
    net.depthwise(3, strides=(stride, stride), pads=pads)
    net.node("Clip", min=0.0, max=6.0)
    if size != (14, 15):
        net.conv(24)
        net.node("Relu")
    check(net, setting, threads, limit=2 * LIMITS[setting[1]], steps=["cells.chain", "cells.store"])


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_few_channels_need_no_map(setting, channels, window):
    net = Net(channels, 20, 11)
    net.conv(24, window[0], **window[1])
    check(net, setting, steps=["cells.stem", "cells.store"])


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (7, 7), (14, 15), (40, 33)])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_pairs_are_the_reference(setting, size, stride, threads):
    net = Net(40, *size)
    net.depthwise(3, pads=(1, 1, 1, 1), strides=(stride, stride))
    net.node("Relu")
    net.conv(72)
    net.node("Relu")
    check(net, setting, threads, limit=2 * LIMITS[setting[1]], steps=["cells.load", "cells.chain", "cells.store"])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [(2, 1), (7, 7), (14, 15), (56, 40)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1)])
def test_inverted_residuals_are_the_reference(setting, size, kernel, stride, threads):
    net = Net(24, *size)
    start = net.last
    net.conv(144)
    net.node("Clip", min=0.0, max=6.0)
    net.depthwise(kernel, pads=(kernel // 2,) * 4, strides=(stride, stride))
    net.node("Clip", min=0.0, max=6.0)
    net.conv(24)
    if stride == 1:
        net.node("Add", net.last, start)
    check(net, setting, threads, limit=3 * LIMITS[setting[1]], steps=["cells.load", "cells.chain", "cells.store"])


FUNCTIONS = [
    ("Relu", {}),
    ("Clip", {"min": -0.3, "max": 0.7}),
    ("Clip", {"min": 0.1}),
    ("Sigmoid", {}),
    ("HardSigmoid", {"alpha": 0.2, "beta": 0.4}),
    ("HardSwish", {}),
    ("Tanh", {}),
    ("Gelu", {"approximate": "none"}),
]


@pytest.mark.parametrize(("op", "attrs"), FUNCTIONS, ids=str)
def test_functions_behind_convolutions_are_the_reference(setting, op, attrs):
    for fused in (True, False):
        net = Net(16, 9, 11)
        net.conv(48)
        net.node(op, **attrs)
        if not fused:
            net.node(op, **attrs)
        net.depthwise(3, pads=(1, 1, 1, 1))
        net.node(op, **attrs)
        check(net, setting, limit=3 * LIMITS[setting[1]])


def test_silu_is_one_function(setting):
    net = Net(16, 9, 11)
    x = net.conv(48)
    net.node("Mul", x, net.node("Sigmoid", x))
    check(net, setting, steps=["cells.load", "cells.chain", "cells.store"])


def test_functions_of_large_numbers_saturate(setting):
    for op in ("Sigmoid", "Tanh", "HardSwish"):
        net = Net(16, 5, 5)
        net.conv(16)
        net.constants["c0"] = net.constants["c0"] * 1024
        net.node(op)
        check(net, setting, steps=["cells.load", "cells.chain", "cells.store"])


@pytest.mark.parametrize("threads", [1, 2])
def test_gates_are_the_reference(setting, threads):
    net = Net(32, 14, 14)
    net.depthwise(3, pads=(1, 1, 1, 1))
    x = net.last
    net.node("ReduceMean", x, axes=(2, 3), keepdims=1)
    net.conv(8)
    net.node("Relu")
    net.conv(32)
    gate = net.node("Sigmoid")
    net.node("Mul", x, gate)
    net.node("Relu")
    net.conv(48)
    check(net, setting, threads, limit=2 * LIMITS[setting[1]])


def test_sums_of_maps_that_are_not_fused_are_the_reference(setting):
    net = Net(16, 9, 9)
    a = net.conv(40)
    b = net.node("Relu")  # read twice: by the sum and by what follows
    net.last = a
    net.node("Sigmoid")
    net.node("Add", net.last, b)
    net.node("Clip", min=0.5, max=1.5)
    net.depthwise(3, pads=(1, 1, 1, 1))
    check(net, setting, limit=2 * LIMITS[setting[1]])


@pytest.mark.parametrize("out", [1, 10, 1000])
def test_classifiers_are_the_reference(setting, out):
    net = Net(24, 7, 6)
    net.conv(50)
    net.node("GlobalAveragePool")
    net.node("Flatten", axis=1)
    net.node("Gemm", net.last, net.constant(out, 50), net.constant(out), transB=1)
    steps = ["cells.load", "cells.chain", "cells.mean", "cells.linear"]
    check(net, setting, limit=2 * LIMITS[setting[1]], steps=steps)


def test_maps_at_the_border_of_plain_operators_are_stored_and_loaded(setting):
    net = Net(20, 8, 8)
    net.conv(24, 3, pads=(1, 1, 1, 1))
    net.node("Transpose", perm=(0, 1, 3, 2))
    net.conv(16, 1)
    wanted = ["cells.load", "cells.dense", "cells.store", "Transpose", "cells.load", "cells.chain", "cells.store"]
    check(net, setting, limit=2 * LIMITS[setting[1]], steps=wanted)


def test_a_residual_of_another_border_is_the_reference(setting):
    net = Net(16, 10, 10)
    net.conv(24)
    x = net.node("Relu")
    net.depthwise(5, pads=(2, 2, 2, 2))  # reads x with a border of two
    net.conv(24)
    net.node("Add", net.last, x)
    net.depthwise(3, pads=(1, 1, 1, 1))
    net.conv(8)
    check(net, setting, limit=3 * LIMITS[setting[1]])


# Blocks and panels that do not share out evenly, maps of few pixels and of many, a window that reads past its map.
@pytest.mark.parametrize("size", [(1, 1), (7, 7), (8, 8), (3, 20), (14, 14)])
@pytest.mark.parametrize("wide", [40, 144, 160])
def test_threads_share_rows_or_channels_and_give_the_same_bits(setting, size, wide):
    net = Net(40, *size)
    net.conv(wide)
    net.node("Clip", min=0.0, max=6.0)
    net.depthwise(pads=(1, 1, 1, 1))
    net.node("HardSwish")
    net.conv(72)
    net.node("Relu")
    net.depthwise(pads=(1, 1, 1, 1))
    net.node("Relu")
    net.conv(100)
    net.conv(33)
    isa, precision = setting
    program = lower(net.graph(), {"x": net.inputs[0].shape})
    x = np.random.default_rng(3).normal(0, 1, net.inputs[0].shape).astype(np.float32)
    found = []
    for threads in (1, 2, 3, 7):
        plan = native.Plan(*program.arguments(), isa=isa, precision=precision, threads=threads)
        plan.poison()
        found.append(plan.run([x])[0])
    assert np.isfinite(found[0]).all()
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
