"""Half-size files: small, with float32 borders, and near enough."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from underone.compare import difference
from underone.errors import BadValue
from underone.graph import Graph, Node, Value, infer_shapes, read_onnx, run_reference, to_float16, to_onnx
from underone.graph.float16 import with_half_weights

RNG = np.random.default_rng(2)
X = RNG.standard_normal((2, 3, 16, 16)).astype(np.float32)


def net(scale: float = 0.2) -> Graph:
    nodes = (
        Node("Conv", ("image", "w", "b"), ("a",), {"pads": (1, 1, 1, 1)}),
        Node("Clip", ("a",), ("c",), {"min": 0.0, "max": 6.0}),
        Node("GlobalAveragePool", ("c",), ("p",)),
        Node("Flatten", ("p",), ("f",)),
        Node("Gemm", ("f", "g"), ("logits",), {"transB": 1}),
    )
    constants = {
        "w": (RNG.standard_normal((32, 3, 3, 3)) * scale).astype(np.float32),
        "b": RNG.standard_normal(32).astype(np.float32),
        "g": RNG.standard_normal((10, 32)).astype(np.float32),
    }
    return Graph(nodes, (Value("image", (None, 3, 16, 16)),), (Value("logits", (None, 10)),), constants)


def test_borders_stay_float32_and_everything_between_is_float16() -> None:
    half = to_float16(net())
    types = infer_shapes(half)
    assert {n for n, t in types.items() if t.dtype == "float32"} == {"image", "logits"}
    assert (half.inputs, half.outputs) == (net().inputs, net().outputs)


def test_file_is_half_as_large() -> None:
    graph = net()
    assert len(to_onnx(to_float16(graph))) < 0.75 * len(to_onnx(graph))
    assert sum(c.nbytes for c in to_float16(graph).constants.values()) * 2 == sum(
        c.nbytes for c in graph.constants.values()
    )


def test_numbers_are_near_and_not_equal() -> None:
    graph = net()
    want = run_reference(graph, {"image": X})["logits"]
    half = to_float16(graph)
    got = run_reference(half, {"image": X})["logits"]
    assert got.dtype == np.float32
    assert 0 < difference(got, want)[0] < 1e-5
    data = to_onnx(half)
    (theirs,) = onnxruntime.InferenceSession(data).run(None, {"image": X})
    assert difference(got, theirs)[0] < 1e-5
    assert to_onnx(read_onnx(data)) == data


def test_zeros_among_weights_stay_zeros() -> None:
    graph = net()
    pruned = np.where(RNG.random(graph.constants["w"].shape) < 0.5, graph.constants["w"], np.float32(0))
    found = with_half_weights(replace(graph, constants={**graph.constants, "w": pruned})).constants["w"]
    np.testing.assert_array_equal(found == 0, pruned == 0)


def test_only_weights_of_products_must_fit_where_only_they_are_rounded() -> None:
    graph = net()
    large = replace(graph, constants={**graph.constants, "b": np.full(32, 7e4, np.float32)})
    assert with_half_weights(large).constants["b"] is large.constants["b"]
    with pytest.raises(BadValue, match=r"weights beyond float16's 65504: b \(7e\+04\)"):
        to_float16(large)
    with pytest.raises(BadValue, match=r"weights beyond float16's 65504: w \("):
        with_half_weights(net(1e6))


@pytest.mark.parametrize("turned", [0, 1])
def test_errors_of_an_output_add_up_to_nothing(turned: int) -> None:
    graph = net()
    gemm = Node("Gemm", ("f", "g"), ("logits",), {"transB": turned})
    weight = graph.constants["g"] if turned else np.ascontiguousarray(graph.constants["g"].T)
    graph = Graph((*graph.nodes[:-1], gemm), graph.inputs, graph.outputs, {**graph.constants, "g": weight})
    rounded = with_half_weights(graph).constants
    assert rounded["b"] is graph.constants["b"]
    for name, axis in (("w", 0), ("g", 1 - turned)):
        exact, got = (
            np.moveaxis(c[name], axis, 0).reshape(c[name].shape[axis], -1) for c in (graph.constants, rounded)
        )
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, got.astype(np.float16))
        step = np.spacing(np.abs(exact).max().astype(np.float16))  # the coarsest
        assert np.abs((got - exact).sum(1)).max() <= step / 2
        assert np.abs(got - exact).max() <= step
        each = np.abs((exact.astype(np.float16) - exact).sum(1)).max()
        assert np.abs((got - exact).sum(1)).max() < each


def test_rounded_weights_are_nearer_where_inputs_are_above_zero() -> None:
    node, rng = Node("Conv", ("x", "w"), ("y",)), np.random.default_rng(0)
    weight = rng.standard_normal((16, 32, 3, 3)).astype(np.float32)
    graph = Graph((node,), (Value("x", (1, 32, 9, 9)),), (Value("y", (1, 16, 7, 7)),), {"w": weight})
    x = {"x": rng.uniform(0, 6, (1, 32, 9, 9)).astype(np.float32)}
    want = run_reference(graph, x)["y"]
    each = Graph(graph.nodes, graph.inputs, graph.outputs, {"w": weight.astype(np.float16).astype(np.float32)})
    carried, alone = (difference(run_reference(g, x)["y"], want)[0] for g in (with_half_weights(graph), each))
    assert carried < alone


def test_weights_at_the_end_of_the_range_stay_in_it() -> None:
    weight = np.full((1, 4), 65503, np.float32)
    graph = Graph((Node("Gemm", ("x", "w"), ("y",), {"transB": 1}),), (), (), {"w": weight})
    assert np.isfinite(with_half_weights(graph).constants["w"].astype(np.float16)).all()


def test_weights_beyond_the_range_are_named() -> None:
    with pytest.raises(
        BadValue, match=r"weights beyond float16's 65504: w \(.*e\+0\d\); write this network as float32"
    ):
        to_float16(net(scale=1e6))


def test_twice_is_once() -> None:
    half = to_float16(net())
    np.testing.assert_array_equal(
        run_reference(to_float16(half), {"image": X})["logits"], run_reference(half, {"image": X})["logits"]
    )
