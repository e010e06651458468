"""The reference interpreter: hand-worked values, precision, what it refuses. (test_onnx_cases.py has the operators.)"""

import tracemalloc

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from underone.compare import difference
from underone.errors import BadValue, ShapeError, UnknownName
from underone.graph import OPS, Graph, Node, Value, numpy_windows, run_reference
from underone.graph.numpy_ops import KERNELS

RNG = np.random.default_rng(7)


def graph_of(op: str, operands: dict[str, np.ndarray], dtype: str = "float32", **attrs: object) -> Graph:
    """One node; the first operand is the input, the rest are constants."""
    first, *rest = operands
    node = Node(op, tuple(operands), ("y",), attrs, "the node")
    x = Value(first, operands[first].shape, str(operands[first].dtype))
    return Graph((node,), (x,), (Value("y", (), dtype),), {name: operands[name] for name in rest})


def run(op: str, operands: dict[str, np.ndarray], **attrs: object) -> np.ndarray:
    graph = graph_of(op, operands, **attrs)
    return run_reference(graph, {graph.inputs[0].name: operands[graph.inputs[0].name]})["y"]


def test_convolution_gives_the_hand_worked_case() -> None:
    x = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    w = np.array([[[[1, 0], [0, -1]]]], np.float32)  # top left minus bottom right
    got = run("Conv", {"x": x, "w": w, "b": np.array([10], np.float32)})
    np.testing.assert_array_equal(got, np.full((1, 1, 2, 2), 10 - 4, np.float32))


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "dilation"), [(3, 1, 1, 1), (3, 2, 1, 1), (5, 2, 4, 2), (1, 2, 0, 1)]
)
def test_convolution_agrees_with_torch(groups: int, kernel: int, stride: int, pad: int, dilation: int) -> None:
    x = RNG.standard_normal((2, 8, 13, 17)).astype(np.float32)
    w = RNG.standard_normal((16, 8 // groups, kernel, kernel)).astype(np.float32)
    b = RNG.standard_normal(16).astype(np.float32)
    attrs = {"strides": (stride,) * 2, "pads": (pad,) * 4, "dilations": (dilation,) * 2, "group": groups}
    want = F.conv2d(*map(torch.tensor, (x, w, b)), stride, pad, dilation, groups).numpy()
    nmse, peak = difference(run("Conv", {"x": x, "w": w, "b": b}, **attrs), want)
    assert nmse < 1e-12
    assert peak < 1e-5


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_transposed_convolution_agrees_with_torch(groups: int) -> None:
    x = RNG.standard_normal((2, 8, 5, 7)).astype(np.float32)
    w = RNG.standard_normal((8, 4 // groups, 3, 3)).astype(np.float32)
    attrs = {"strides": (2, 3), "pads": (1, 0, 1, 0), "output_padding": (1, 2), "dilations": (2, 1), "group": groups}
    want = F.conv_transpose2d(torch.tensor(x), torch.tensor(w), None, (2, 3), (1, 0), (1, 2), groups, (2, 1)).numpy()
    nmse, _ = difference(run("ConvTranspose", {"x": x, "w": w}, **attrs), want)
    assert nmse < 1e-12


@pytest.mark.parametrize("size", [(7, 9), (26, 34), (13, 17), (1, 1)])
@pytest.mark.parametrize("corners", [False, True])
def test_bilinear_resize_agrees_with_torch(size: tuple[int, int], corners: bool) -> None:
    x = RNG.standard_normal((1, 3, 13, 17)).astype(np.float32)
    mode = "align_corners" if corners else "half_pixel"
    got = run("Resize", {"x": x}, sizes=(0, 0, *size), mode="linear", coordinate_transformation_mode=mode)
    want = F.interpolate(torch.tensor(x), size, mode="bilinear", align_corners=corners).numpy()
    nmse, _ = difference(got, want)
    assert nmse < 1e-12


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("include", [False, True])
def test_average_pool_agrees_with_torch(ceil: bool, include: bool) -> None:
    x = RNG.standard_normal((2, 3, 10, 11)).astype(np.float32)
    got = run(
        "AveragePool", {"x": x}, kernel_shape=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1), ceil_mode=int(ceil),
        count_include_pad=int(include),
    )  # fmt: skip
    want = F.avg_pool2d(torch.tensor(x), 3, 2, 1, ceil, include).numpy()
    nmse, _ = difference(got, want)
    assert nmse < 1e-12


def test_same_padding_puts_the_odd_pixel_behind() -> None:
    x = np.array([1, 2, 3, 4], np.float32).reshape(1, 1, 1, 4)
    w = np.array([1, 10, 100], np.float32).reshape(1, 1, 1, 3)
    upper = run("Conv", {"x": x, "w": w}, strides=(1, 2), auto_pad="SAME_UPPER")
    lower = run("Conv", {"x": x, "w": w}, strides=(1, 2), auto_pad="SAME_LOWER")
    np.testing.assert_array_equal(upper.ravel(), [321, 43])  # one zero behind, as TensorFlow has it
    np.testing.assert_array_equal(lower.ravel(), [210, 432])  # one zero in front


def test_quantized_convolution_gives_the_hand_worked_case() -> None:
    x = np.array([3, 250], np.uint8).reshape(1, 1, 1, 2)
    operands = {
        "x": x, "xs": np.float32(0.5), "xz": np.uint8(1), "w": np.array([2], np.int8).reshape(1, 1, 1, 1),
        "ws": np.array([0.25], np.float32), "wz": np.array([0], np.int8), "ys": np.float32(1), "yz": np.uint8(100),
        "b": np.array([1], np.int32),
    }  # fmt: skip
    # (3 - 1) 2 + 1 = 5 and (250 - 1) 2 + 1 = 499, times 0.125: 0.625 and 62.375, to even, plus 100
    got = run("QLinearConv", {k: np.asarray(v) for k, v in operands.items()})
    np.testing.assert_array_equal(got.ravel(), [101, 162])


def test_rounding_is_half_to_even_and_saturates() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, 1e9, -1e9], np.float32)
    got = run("QuantizeLinear", {"x": x, "s": np.float32(1), "z": np.asarray(np.int8(0))})
    np.testing.assert_array_equal(got, np.array([0, 2, 2, 0, 127, -128], np.int8))


def test_float64_gives_float64_and_less_error() -> None:
    x, w = RNG.standard_normal((1, 2000)).astype(np.float32), RNG.standard_normal((2000, 3)).astype(np.float32)
    graph = graph_of("MatMul", {"x": x, "w": w})
    exact = run_reference(graph, {"x": x}, np.float64)["y"]
    plain = run_reference(graph, {"x": x})["y"]
    assert exact.dtype == np.float64
    assert plain.dtype == np.float32
    np.testing.assert_allclose(exact, x.astype(np.float64) @ w.astype(np.float64), rtol=1e-14)
    assert 0 < difference(plain, exact)[0] < 1e-10


def test_float64_input_is_taken_in_float64_only() -> None:
    graph = graph_of("Relu", {"x": np.ones((2,), np.float32)})
    third = np.array([1 / 3, -1])
    assert run_reference(graph, {"x": third}, np.float64)["y"][0] == 1 / 3
    with pytest.raises(ShapeError, match="'x' is float64"):
        run_reference(graph, {"x": third})


def test_float16_rounds_after_each_node_and_not_in_float64() -> None:
    x = np.array([0.1], np.float16)
    graph = graph_of("Add", {"x": x, "c": np.array([1000], np.float16)})
    assert run_reference(graph, {"x": x})["y"] == np.float16(1000)  # float16 has steps of 0.5 there
    assert run_reference(graph, {"x": x}, np.float64)["y"] == 1000 + np.float64(x[0])


def test_cast_to_float16_is_exact_in_float64() -> None:
    graph = graph_of("Cast", {"x": np.array([0.1], np.float32)}, to="float16")
    assert run_reference(graph, {"x": np.array([0.1], np.float32)})["y"].dtype == np.float16
    assert run_reference(graph, {"x": np.array([0.1])}, np.float64)["y"] == 0.1


def test_infinities_pass_without_a_warning() -> None:
    got = run("Exp", {"x": np.array([1000, -1000], np.float32)})
    np.testing.assert_array_equal(got, [np.inf, 0])


def test_outputs_belong_to_the_caller() -> None:
    x = np.ones((2, 2), np.float32)
    graph = graph_of("Identity", {"x": x})
    run_reference(graph, {"x": x})["y"][:] = 5
    np.testing.assert_array_equal(x, 1)


def test_input_faults_are_listed_together() -> None:
    graph = graph_of("Relu", {"x": np.ones((2, 3), np.float32)})
    with pytest.raises(ShapeError, match=r"inputs do not fit: 'picture' is unknown; 'x' is missing"):
        run_reference(graph, {"picture": np.ones(3, np.float32)})
    with pytest.raises(ShapeError, match=r"'x' is int64 \(3,\), float32 \(2, 3\) is required"):
        run_reference(graph, {"x": np.ones(3, np.int64)})


def test_misfit_names_the_node_and_both_shapes() -> None:
    graph = graph_of("Conv", {"x": np.ones((1, 3, 8, 8), np.float32), "w": np.ones((4, 2, 3, 3), np.float32)})
    with pytest.raises(ShapeError, match=r"'the node' \(Conv\): input \(1, 3, 8, 8\), weight \(4, 2, 3, 3\), group 1"):
        run_reference(graph, {"x": np.ones((1, 3, 8, 8), np.float32)})


def test_unknown_operator_is_named() -> None:
    graph = graph_of("Reluu", {"x": np.ones(3, np.float32)})
    with pytest.raises(UnknownName, match=r"unknown operator 'Reluu'\. Did you mean 'Relu'"):
        run_reference(graph, {"x": np.ones(3, np.float32)})


def test_other_precisions_are_refused() -> None:
    graph = graph_of("Relu", {"x": np.ones(3, np.float32)})
    with pytest.raises(BadValue, match="dtype is float16; float32 or float64 is required"):
        run_reference(graph, {"x": np.ones(3, np.float32)}, np.float16)


def test_unknown_resize_mode_is_refused() -> None:
    with pytest.raises(BadValue, match="Resize mode 'linear', 'tf_crop_and_resize'"):
        run("Resize", {"x": np.ones((1, 1, 2, 2), np.float32)}, sizes=(0, 0, 4, 4), mode="linear",
            coordinate_transformation_mode="tf_crop_and_resize")  # fmt: skip


def test_tensors_are_freed_when_nobody_reads_them_any_more() -> None:
    nodes = tuple(Node("Neg", (f"t{i}",), (f"t{i + 1}",)) for i in range(20))
    graph = Graph(nodes, (Value("t0", (1 << 20,)),), (Value("t20", (1 << 20,)),), {})
    x = np.ones(1 << 20, np.float32)  # 4 MB
    tracemalloc.start()
    run_reference(graph, {"t0": x})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * x.nbytes


def test_kernel_that_disagrees_with_its_shape_rule_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KERNELS, "Relu", lambda attrs, x: x[:1])
    with pytest.raises(ShapeError, match=r"'the node' \(Relu\) gave \(1,\); its shape rule says \(3,\)"):
        run("Relu", {"x": np.ones(3, np.float32)})


def test_kernels_and_table_have_the_same_operators() -> None:
    assert set(KERNELS) == set(OPS)


def test_a_convolution_of_no_images_gives_none():
    attrs = {"group": 2, "strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1), "auto_pad": "NOTSET"}
    y = numpy_windows.conv(attrs, np.zeros((0, 4, 5, 5)), np.ones((6, 2, 3, 3)))
    assert y.shape == (0, 6, 5, 5)
