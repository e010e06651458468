"""Operators on plain tensors: ONNX's own cases, then every attribute that those leave out, against the reference."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from underone import _native as native
from underone.compare import difference
from underone.graph import Graph, Node, read_onnx, run_reference
from underone.graph.graph import Value
from underone.graph.shapes import infer_shapes

Run = Callable[..., dict[str, Any]]


def test_operator_gives_the_outputs_of_the_onnx_case(onnx_case: Any, isa: str, run_plain: Run) -> None:
    for data, inputs, expected in onnx_case.files():
        graph = read_onnx(data)
        got = run_plain(graph, inputs, isa)
        for value, want in zip(graph.outputs, expected, strict=False):
            assert got[value.name].dtype == np.asarray(want).dtype
            assert got[value.name].shape == np.asarray(want).shape
            np.testing.assert_allclose(got[value.name], want, rtol=onnx_case.rtol, atol=1e-6)


def single(op: str, operands: list[np.ndarray], attrs: dict[str, Any], outputs: int = 1) -> Graph:
    """A graph of one node; all operands are inputs."""
    names = [f"x{i}" for i in range(len(operands))]
    made = tuple(f"y{i}" for i in range(outputs))
    inputs = tuple(Value(n, a.shape, a.dtype.name) for n, a in zip(names, operands, strict=True))
    open_graph = Graph((Node(op, tuple(names), made, attrs),), inputs, (), {})
    types = infer_shapes(open_graph)
    return Graph(open_graph.nodes, inputs, tuple(Value(n, types[n].shape, types[n].dtype) for n in made), {})


def check(run_plain: Run, isa: str, op: str, *operands: np.ndarray, outputs: int = 1, **attrs: Any) -> None:
    graph = single(op, list(operands), attrs, outputs)
    inputs = {f"x{i}": a for i, a in enumerate(operands)}
    want, got = run_reference(graph, inputs), run_plain(graph, inputs, isa)
    for name in want:
        assert got[name].dtype == want[name].dtype
        assert got[name].shape == want[name].shape
        if want[name].dtype.kind != "f" or not want[name].any():
            np.testing.assert_array_equal(got[name], want[name])
        else:
            assert difference(got[name], want[name])[0] <= 1e-10


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape) + 7).standard_normal(shape).astype(np.float32)


def whole(dtype: str, *shape: int, low: int = -128, high: int = 128) -> np.ndarray:
    info = np.iinfo(dtype)
    return np.random.default_rng(5).integers(max(low, info.min), min(high, info.max + 1), shape).astype(dtype)


# input, weight, attributes
CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "3x3": ((1, 3, 9, 11), (5, 3, 3, 3), {"pads": (1, 1, 1, 1)}),
    "strides": ((2, 3, 10, 9), (7, 3, 3, 3), {"strides": (2, 3), "pads": (0, 1, 1, 0)}),
    "dilation": ((1, 4, 12, 13), (9, 4, 3, 3), {"dilations": (2, 3), "pads": (2, 3, 2, 3)}),
    "window of the whole input": ((1, 2, 5, 6), (3, 2, 5, 6), {}),
    "pads wider than the window": ((1, 2, 3, 3), (3, 2, 2, 2), {"pads": (5, 4, 3, 6)}),
    "1x1": ((3, 17, 5, 7), (49, 17, 1, 1), {}),
    "1x1 stride 2": ((1, 6, 7, 7), (8, 6, 1, 1), {"strides": (2, 2)}),
    "long sums": ((1, 300, 4, 4), (11, 300, 3, 3), {"pads": (1, 1, 1, 1)}),
    "wide map": ((1, 2, 3, 700), (9, 2, 3, 3), {"pads": (1, 1, 1, 1)}),
    "depthwise": ((2, 13, 9, 9), (13, 1, 3, 3), {"group": 13, "pads": (1, 1, 1, 1)}),
    "depthwise stride 2": ((1, 5, 11, 14), (5, 1, 5, 5), {"group": 5, "pads": (2, 2, 2, 2), "strides": (2, 2)}),
    "depthwise stride 3": ((1, 5, 11, 14), (5, 1, 4, 4), {"group": 5, "pads": (2, 0, 1, 2), "strides": (3, 3)}),
    "depthwise with two outputs": ((1, 4, 6, 6), (8, 1, 3, 3), {"group": 4}),
    "depthwise with six outputs": ((1, 2, 6, 6), (12, 1, 3, 3), {"group": 2}),
    "groups": ((2, 6, 7, 8), (9, 2, 3, 3), {"group": 3, "pads": (1, 1, 1, 1)}),
    "same upper": ((1, 2, 7, 8), (3, 2, 4, 3), {"auto_pad": "SAME_UPPER", "strides": (2, 2)}),
    "same lower": ((1, 2, 7, 8), (3, 2, 4, 3), {"auto_pad": "SAME_LOWER", "strides": (3, 2)}),
    "one axis": ((2, 3, 19), (4, 3, 5), {"strides": (2,), "pads": (1, 3)}),
    "three axes": ((1, 2, 4, 5, 6), (3, 2, 3, 2, 3), {"pads": (1, 0, 1, 1, 1, 0), "dilations": (1, 2, 1)}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("biased", [True, False])
def test_convolution_is_the_reference(name: str, biased: bool, isa: str, run_plain: Run) -> None:
    x, w, attrs = CONVOLUTIONS[name]
    check(run_plain, isa, "Conv", noise(*x), noise(*w), *([noise(w[0])] if biased else []), **attrs)


@pytest.mark.parametrize(
    ("x", "w", "attrs"),
    [
        ((1, 3, 5, 6), (3, 4, 3, 3), {}),
        ((2, 4, 5, 6), (4, 3, 3, 2), {"strides": (2, 3), "pads": (1, 0, 0, 1), "output_padding": (1, 2)}),
        ((1, 6, 5, 5), (6, 2, 3, 3), {"group": 3, "dilations": (2, 2)}),
        ((1, 4, 9, 70), (4, 1, 4, 4), {"group": 4, "strides": (2, 2), "pads": (1, 1, 1, 1)}),
        ((1, 2, 7), (2, 3, 4), {"strides": (3,)}),
        ((1, 2, 3, 4, 5), (2, 2, 2, 2, 2), {"strides": (2, 1, 2)}),
        ((1, 40, 6, 6), (40, 9, 1, 1), {}),
    ],
)
def test_transposed_convolution_is_the_reference(x: Any, w: Any, attrs: Any, isa: str, run_plain: Run) -> None:
    check(run_plain, isa, "ConvTranspose", noise(*x), noise(*w), noise(w[1] * attrs.get("group", 1)), **attrs)
    check(run_plain, isa, "ConvTranspose", noise(*x), noise(*w), **attrs)


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    ("shape", "attrs"),
    [
        ((1, 3, 9, 11), {"kernel_shape": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1)}),
        ((2, 3, 9, 11), {"kernel_shape": (2, 5), "pads": (0, 3, 1, 2), "ceil_mode": 1, "strides": (3, 2)}),
        ((1, 2, 7, 7), {"kernel_shape": (3, 3), "dilations": (2, 2), "auto_pad": "SAME_LOWER"}),
        ((1, 2, 12), {"kernel_shape": (4,), "strides": (3,), "ceil_mode": 1}),
        ((1, 2, 5, 6, 7), {"kernel_shape": (2, 3, 2), "strides": (1, 2, 3), "pads": (1, 1, 1, 0, 1, 1)}),
        ((1, 2, 7, 7), {"kernel_shape": (7, 7)}),
    ],
)
def test_pool_is_the_reference(op: str, shape: Any, attrs: Any, isa: str, run_plain: Run) -> None:
    check(run_plain, isa, op, noise(*shape), **attrs)
    if op == "AveragePool":
        check(run_plain, isa, op, noise(*shape), count_include_pad=1, **attrs)
    else:
        check(run_plain, isa, op, whole("int8", *shape), **attrs)


ONE = [
    "Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "HardSwish", "Log", "Mish", "Neg", "Reciprocal", "Relu", "Round",
    "Sigmoid", "Sign", "Sin", "Softplus", "Sqrt", "Tanh", "Gelu", "HardSigmoid", "Elu", "LeakyRelu", "Clip",
]  # fmt: skip


@pytest.mark.parametrize("op", ONE)
def test_function_of_one_element_is_the_reference_everywhere(op: str, isa: str, run_plain: Run) -> None:
    special = np.float32(
        [0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-30, 88.5, -88.5, 89, -104, 200, -200, 0.5, 1.5, 2.5]
    )
    x = np.concatenate([special, np.linspace(-12, 12, 1237, dtype=np.float32)])
    attrs = {"min": -1.5, "max": 2.25} if op == "Clip" else {}
    for how in [{"approximate": "tanh"}, {"approximate": "none"}] if op == "Gelu" else [attrs]:
        graph = single(op, [x], how)
        want, got = run_reference(graph, {"x0": x})["y0"], run_plain(graph, {"x0": x}, isa)["y0"]
        np.testing.assert_allclose(got, want, rtol=3e-6, atol=3e-7)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Min", "Max", "Equal", "Less", "GreaterOrEqual", "Mod"])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 3, 4, 5), (2, 3, 4, 5)),
        ((2, 3, 4, 5), (3, 1, 1)),
        ((3, 1, 5), (2, 1, 4, 1)),
        ((), (7,)),
        ((4, 0), (1,)),
        ((1,), ()),
    ],
)
def test_arithmetic_broadcasts_as_the_reference(op: str, a: Any, b: Any, isa: str, run_plain: Run) -> None:
    attrs = {"fmod": 1} if op == "Mod" else {}
    check(run_plain, isa, op, noise(*a), noise(*b) + 3, **attrs)
    for dtype in ("int32", "int64", "uint8", "int8"):
        check(run_plain, isa, op, whole(dtype, *a), whole(dtype, *b), **attrs)


def test_integers_wrap_around_and_never_trap(isa: str, run_plain: Run) -> None:
    for dtype in ("int8", "int32", "int64"):
        low = np.array([np.iinfo(dtype).min, 7, -7], dtype)
        by = np.array([-1, 0, 2], dtype)
        graph = single("Div", [low, by], {})
        got = run_plain(graph, {"x0": low, "x1": by}, isa)["y0"]
        np.testing.assert_array_equal(got, [low[0], 7, -3])
        check(run_plain, isa, "Mod", low[1:], by[1:] + 1)
        check(run_plain, isa, "Mul", low, low)
        check(run_plain, isa, "Neg", low)
        check(run_plain, isa, "Abs", low)


@pytest.mark.parametrize(
    "op", ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2", "ReduceSumSquare"]
)
@pytest.mark.parametrize("axes", [(), (0,), (1, 3), (2, 3), (0, 2), (3, 1), (0, 1, 2, 3)])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reduction_over_any_axes_is_the_reference(op: str, axes: Any, keepdims: int, isa: str, run_plain: Run) -> None:
    shape = (2, 3, 2, 5) if op == "ReduceProd" else (3, 4, 5, 6)  # longer products vanish
    check(run_plain, isa, op, noise(*shape), axes=axes, keepdims=keepdims)
    if op in ("ReduceSum", "ReduceMax", "ReduceMin"):
        check(run_plain, isa, op, whole("int32", 3, 4, 5, 6), axes=axes, keepdims=keepdims)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_softmax_and_extremes_along_any_axis_are_the_reference(axis: int, isa: str, run_plain: Run) -> None:
    x = noise(3, 21, 5) * 20
    check(run_plain, isa, "Softmax", x, axis=axis)
    check(run_plain, isa, "LogSoftmax", x, axis=axis)
    ties = np.round(noise(3, 21, 5))
    ties[1, 2, 3] = np.nan
    for op in ("ArgMax", "ArgMin"):
        for last in (0, 1):
            check(run_plain, isa, op, ties, axis=axis, select_last_index=last, keepdims=last)


@pytest.mark.parametrize(
    "coordinate", ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"]
)
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_resize_in_every_convention_is_the_reference(coordinate: str, mode: str, isa: str, run_plain: Run) -> None:
    how: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": coordinate}
    for sizes in ((0, 0, 14, 21), (0, 0, 3, 5), (1, 3, 1, 1), (2, 6, 7, 9)):
        check(run_plain, isa, "Resize", noise(1, 3, 7, 9), sizes=sizes, **how)
    check(run_plain, isa, "Resize", noise(2, 3, 7, 9), scales=(1.0, 1.0, 1.7, 0.6), **how)
    for rounding in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil") if mode == "nearest" else ():
        check(run_plain, isa, "Resize", noise(1, 2, 5, 6), sizes=(0, 0, 10, 9), nearest_mode=rounding, **how)


def test_no_images_give_no_maps(isa: str, run_plain: Run) -> None:
    x, w = noise(0, 3, 9, 11), noise(5, 3, 3, 3)
    for op, by in (("Conv", w), ("ConvTranspose", noise(3, 5, 2, 2))):
        got = run_plain(single(op, [x, by], {}), {"x0": x, "x1": by}, isa)["y0"]
        assert got.shape[:2] == (0, 5)


@pytest.mark.parametrize(("trans_a", "trans_b"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_gemm_is_the_reference(trans_a: int, trans_b: int, isa: str, run_plain: Run) -> None:
    for m, k, n in ((1, 1280, 100), (13, 7, 51), (5, 0, 3), (50, 33, 1)):
        a, b = noise(m, k), noise(k, n)
        operands = (a.T.copy() if trans_a else a, b.T.copy() if trans_b else b)
        how = {"transA": trans_a, "transB": trans_b}
        check(run_plain, isa, "Gemm", *operands, **how)
        for c in (noise(n), noise(m, 1), noise(m, n), noise()):
            check(run_plain, isa, "Gemm", *operands, np.asarray(c), alpha=0.5, beta=-1.5, **how)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((4,), (4,)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((2, 1, 3, 4), (5, 4, 7)),
        ((2, 3, 9, 70), (2, 3, 70, 65)),
        ((6, 3, 4), (4,)),
    ],
)
def test_matmul_of_any_rank_is_the_reference(a: Any, b: Any, isa: str, run_plain: Run) -> None:
    check(run_plain, isa, "MatMul", noise(*a), noise(*b))
    check(run_plain, isa, "MatMul", whole("int32", *a), whole("int32", *b))
    check(run_plain, isa, "MatMulInteger", whole("uint8", *a), whole("int8", *b))


LAYOUTS: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "transpose": ("Transpose", (2, 3, 4, 5), {"perm": (0, 2, 3, 1)}),
    "reversed": ("Transpose", (2, 3, 4), {"perm": (2, 1, 0)}),
    "slice": ("Slice", (7, 9), {"starts": (1, -3), "ends": (100, -100), "axes": (0, 1), "steps": (2, -2)}),
    "slice through the first": ("Slice", (5,), {"starts": (-1,), "ends": (-(2**63),), "axes": (0,), "steps": (-1,)}),
    "slice of nothing": ("Slice", (5, 6), {"starts": (4,), "ends": (2,), "axes": (0,), "steps": (1,)}),
    "slice with a huge step": ("Slice", (5,), {"starts": (0,), "ends": (5,), "axes": (0,), "steps": (2**62,)}),
    "expand": ("Expand", (3, 1, 5), {"shape": (2, 1, 4, 1)}),
    "tile": ("Tile", (2, 1, 3), {"repeats": (2, 3, 1)}),
    "pad": ("Pad", (2, 3, 4), {"pads": (1, -1, 0, 2, 0, 3), "value": 2.5}),
    "crop": ("Pad", (2, 3, 4), {"pads": (0, -1, -2, 0, -1, -1)}),
    "crop of everything": ("Pad", (4,), {"pads": (-3, -1)}),
    "reflect": ("Pad", (1, 4, 5), {"pads": (0, 3, 2, 0, 1, 4), "mode": "reflect"}),
    "edge": ("Pad", (3, 4), {"pads": (2, -1, 0, 5), "mode": "edge"}),
    "wrap": ("Pad", (3, 4), {"pads": (4, 1, 0, 9), "mode": "wrap"}),
    "depth to space": ("DepthToSpace", (2, 12, 3, 4), {"blocksize": 2, "mode": "CRD"}),
    "space to depth": ("SpaceToDepth", (2, 3, 4, 6), {"blocksize": 2}),
    "flatten": ("Flatten", (2, 3, 4), {"axis": -1}),
    "reshape": ("Reshape", (2, 3, 4), {"shape": (0, -1)}),
    "shape": ("Shape", (2, 3, 4), {"start": -2}),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "int16"])
def test_layout_is_the_reference(name: str, dtype: str, isa: str, run_plain: Run) -> None:
    op, shape, attrs = LAYOUTS[name]
    check(run_plain, isa, op, (noise(*shape) * 10).astype(dtype), **attrs)


def test_join_and_cut_along_any_axis_are_the_reference(isa: str, run_plain: Run) -> None:
    for axis in (0, 1, -1):
        parts = [np.moveaxis(noise(n, 3, 4), 0, axis) for n in (2, 0, 5)]
        check(run_plain, isa, "Concat", *(np.ascontiguousarray(p) for p in parts), axis=axis)
        x = np.ascontiguousarray(np.moveaxis(noise(7, 3, 4), 0, axis))
        check(run_plain, isa, "Split", x, axis=axis, split=(2, 0, 5), outputs=3)


def test_gather_reads_from_both_ends_and_refuses_what_is_outside(isa: str, run_plain: Run) -> None:
    x, index = noise(3, 4, 5), np.int64([[0, -1], [3, -4]])
    for axis in (0, 1, 2):
        check(run_plain, isa, "Gather", x, np.clip(index, -x.shape[axis], x.shape[axis] - 1), axis=axis)
    for wrong in (3, -4, 2**62, -(2**63)):
        bad = np.int64([wrong])
        with pytest.raises(ValueError, match=rf"index {wrong} of an axis with 3 entries"):
            run_plain(single("Gather", [x, bad], {"axis": 0}), {"x0": x, "x1": bad}, isa)


def test_constant_index_that_is_outside_is_refused_when_the_plan_is_made(
    isa: str, plain_plan: Callable[..., Any]
) -> None:
    x, index = noise(3, 4), np.int32([1, 3])
    graph = single("Gather", [x, index], {"axis": 0})
    bound = Graph(graph.nodes, graph.inputs[:1], graph.outputs, {"x1": index})
    with pytest.raises(ValueError, match=r"index 3 of an axis with 3 entries"):
        plain_plan(bound, isa, {"x0": (3, 4)})


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_normalisation_is_the_reference(axis: int, isa: str, run_plain: Run) -> None:
    x = noise(2, 3, 5, 7) * 3 + 5
    check(run_plain, isa, "LayerNormalization", x, noise(*x.shape[axis:]), noise(7), axis=axis)
    check(run_plain, isa, "InstanceNormalization", x, noise(3), noise(3) + 1, epsilon=0.1)
    check(run_plain, isa, "BatchNormalization", x, noise(3), noise(3), noise(3), np.abs(noise(3)) + 0.1, epsilon=0.1)


@pytest.mark.parametrize("to", ["float32", "float64", "float16", "int8", "uint8", "int32", "int64", "bool"])
@pytest.mark.parametrize("source", ["float32", "float64", "float16", "int8", "uint16", "int64", "bool"])
def test_cast_is_the_reference(source: str, to: str, isa: str, run_plain: Run) -> None:
    x = np.concatenate([np.linspace(0, 100, 77), [0.5, 1.5, 2.5, 3e-6, 6e-8, 2.98e-8, 65.4321]]).astype(source)
    check(run_plain, isa, "Cast", x, to=to)


def test_every_half_is_read_and_written_as_numpy_does(isa: str, run_plain: Run) -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    got = run_plain(single("Cast", [halves], {"to": "float32"}), {"x0": halves}, isa)["y0"]
    np.testing.assert_array_equal(got, halves.astype(np.float32))
    finite = halves[np.isfinite(halves)].astype(np.float32)
    between = np.concatenate(
        [finite, np.nextafter(finite, np.float32(np.inf)), np.sort(finite)[:-1] / 2 + np.sort(finite)[1:] / 2]
    )
    got = run_plain(single("Cast", [between], {"to": "float16"}), {"x0": between}, isa)["y0"]
    np.testing.assert_array_equal(got.view(np.uint16), between.astype(np.float16).view(np.uint16))


@pytest.mark.parametrize("zero_dtype", ["uint8", "int8", "int16", "uint16"])
def test_quantisation_per_axis_is_the_reference(zero_dtype: str, isa: str, run_plain: Run) -> None:
    x, scale = noise(2, 3, 4) * 50, np.abs(noise(3)) + 0.1
    zero = whole(zero_dtype, 3)
    check(run_plain, isa, "QuantizeLinear", x, scale, zero, axis=-2)
    check(run_plain, isa, "DequantizeLinear", whole(zero_dtype, 2, 3, 4), scale, zero, axis=1)
    check(run_plain, isa, "DequantizeLinear", whole(zero_dtype, 2, 3, 4), scale[0], axis=1)


def test_integer_convolution_is_the_reference(isa: str, run_plain: Run) -> None:
    x, w = whole("uint8", 2, 4, 7, 8, low=0, high=256), whole("int8", 6, 2, 3, 3)
    how = {"group": 2, "pads": (1, 0, 2, 1), "strides": (2, 1)}
    check(run_plain, isa, "ConvInteger", x, w, np.uint8(7), whole("int8", 6), **how)
    scales = (np.float32(0.02), np.abs(noise(6)) * 0.01, np.float32(0.3))
    check(
        run_plain, isa, "QLinearConv", x, scales[0], np.uint8(7), w, scales[1], np.zeros(6, np.int8), scales[2],
        np.uint8(99), whole("int32", 6), **how,
    )  # fmt: skip


def test_operators_of_float16_round_once(isa: str, run_plain: Run) -> None:
    x, w = noise(1, 3, 6, 6).astype(np.float16), noise(4, 3, 3, 3).astype(np.float16)
    check(run_plain, isa, "Conv", x, w)
    check(run_plain, isa, "Add", x, x[:, :1])
    check(run_plain, isa, "Transpose", x, perm=(3, 2, 1, 0))


def test_everything_that_is_not_implemented_is_listed_when_the_plan_is_made(isa: str, run_plain: Run) -> None:
    x = np.zeros((1, 2, 3), np.float64)
    nodes = (
        Node("Softmax", ("x",), ("a",), {}, "soft"),
        Node("Relu", ("a",), ("b",)),
        Node("LayerNormalization", ("b", "w"), ("y",), {}, "norm"),
    )
    borders = (Value("x", x.shape, "float64"),), (Value("y", x.shape, "float64"),)
    message = (
        r"node 'soft' \(Softmax\): Softmax of float64 is not implemented in the native engine; "
        r"node 'norm' \(LayerNormalization\): LayerNormalization of float64 is not implemented in the native engine"
    )
    with pytest.raises(native.Unsupported, match=message):
        run_plain(Graph(nodes, *borders, {"w": np.ones(3)}), {"x": x}, isa)
