"""Quantised networks two ways: rounded as LiteRT rounds, and in real values that keep the ranges."""

import numpy as np
import pytest

from underone.errors import Unsupported
from underone.foreign.from_tflite import read_tflite
from underone.graph import run_reference

RNG = np.random.default_rng(11)
CONV = {"kind": "Conv2DOptions", "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}


def conv_file(small, dtype, activation, scale=0.05, out="int8"):
    make, tensor = small
    zero = 128 if dtype == "uint8" else 3
    weight = RNG.integers(-100, 100, (4, 3, 3, 3)) + (128 if dtype == "uint8" else 0)
    scales = 0.02 if dtype == "uint8" else [0.02, 0.01, 0.03, 0.02]
    tensors = {
        "x": tensor((1, 6, 6, 3), dtype=dtype, scale=0.01, zero=zero),
        "w": tensor(value=weight, dtype=dtype, scale=scales, zero=128 if dtype == "uint8" else 0),
        "b": tensor(value=[0, 900, -500, (1 << 24) + 1 if activation == 3 else 1], dtype="int32",
                    scale=np.multiply(scales, 0.01)),
        "y": tensor((1, 6, 6, 4), dtype=dtype, scale=scale, zero=zero),
    }  # fmt: skip
    return make(tensors, [("CONV_2D", "x w b", "y", CONV | {"fusedActivationFunction": activation})]).bytes()


def inputs(dtype, zero):
    info = np.iinfo(dtype)
    stored = RNG.integers(info.min, info.max + 1, (1, 6, 6, 3)).astype(dtype)
    return stored, ((stored.astype(np.float32) - zero) * np.float32(0.01)).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("activation", [0, 1, 3])
def test_kept_network_rounds_as_litert(small, litert, dtype, activation):
    content, zero = conv_file(small, dtype, activation), 128 if dtype == "uint8" else 3
    stored, real = inputs(dtype, zero)
    want = (litert(content, [stored])["y"].astype(np.float32) - zero) * np.float32(0.05)
    graph = read_tflite(content).graph(quantised="kept")
    assert "QLinearConv" in {n.op for n in graph.nodes}
    got = run_reference(graph, {"x": real})["y"]
    np.testing.assert_allclose(got, want, atol=1e-6)
    assert len(np.unique(want)) > 20


@pytest.mark.parametrize(("activation", "low", "high"), [(0, -6.4, 6.35), (1, 0.0, 6.35), (3, 0.0, 6.0)])
def test_dequantised_network_keeps_the_ranges(small, litert, activation, low, high):
    content = conv_file(small, "uint8", activation)
    stored, real = inputs("uint8", 128)
    graph = read_tflite(content).graph()
    assert [n.op for n in graph.nodes][:2] == ["Conv", "Clip"]
    got = run_reference(graph, {"x": real})["y"]
    want = (litert(content, [stored])["y"].astype(np.float32) - 128) * np.float32(0.05)
    assert (got.min(), got.max()) == pytest.approx((low, high), abs=1e-5)
    assert np.abs(got - want).max() <= 0.0501 / 2 + 1e-4


def test_float_network_around_quantised_operators(small, litert):
    make, tensor = small
    scaled = {"dtype": "uint8", "scale": 0.1, "zero": 100}
    tensors = {"x": tensor((1, 9)), "q": tensor((1, 9), **scaled), "r": tensor((1, 9), **scaled), "y": tensor((1, 9))}
    content = make(tensors, [("QUANTIZE", "x", "q", {}), ("RELU", "q", "r", {}), ("DEQUANTIZE", "r", "y", {})]).bytes()
    x = (3 * RNG.normal(size=(1, 9))).astype(np.float32)
    graph = read_tflite(content).graph(quantised="kept")
    np.testing.assert_allclose(run_reference(graph, {"x": x})["y"], litert(content, [x])["y"], atol=1e-6)


def test_sixteen_bits_are_not_kept(small):
    make, tensor = small
    scaled = {"dtype": "int16", "scale": 0.1, "zero": 0}
    content = make({"x": tensor((1, 3)), "y": tensor((1, 3), **scaled)}, [("QUANTIZE", "x", "y", {})]).bytes()
    assert read_tflite(content).graph()
    with pytest.raises(Unsupported, match="tensor 'y' is i2; only 8 bits can be kept: ask for the dequantised network"):
        read_tflite(content).graph(quantised="kept")


def test_what_becomes_of_the_borders_is_noted(small):
    notes = read_tflite(conv_file(small, "uint8", 0)).network().notes
    assert "input 'x' is uint8 in the file; here it takes the real values that those stand for" in notes[0]
    assert any("output 'y' is uint8 in the file; here it is float32" in note for note in notes)
