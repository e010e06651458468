"""Layers of channels-last networks: TensorFlow's rules of padding, by the size at run time where it is open."""

import numpy as np
import pytest

from underone.errors import BadFile, Unsupported
from underone.foreign.builder import Builder
from underone.foreign.channels_last import (
    Window,
    activation,
    batch_norm,
    convolution,
    pool,
    resize,
    transposed_convolution,
)
from underone.graph import run_reference

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(2, 3, 3, 3)).astype(np.float32)


def same_pad(size, kernel, stride):
    """TensorFlow's SAME, word for word: tensorflow.org/api_docs/python/tf/nn, "Notes on padding"."""
    total = max(kernel - stride, 0) if size % stride == 0 else max(kernel - size % stride, 0)
    return total // 2, total - total // 2


def direct(x, weight, stride):
    """Convolve one (H, W, C) by hand, SAME."""
    pads = [same_pad(s, 3, stride) for s in x.shape[:2]]
    padded = np.pad(x, [*pads, (0, 0)])
    rows, columns = (-(-s // stride) for s in x.shape[:2])
    out = np.zeros((rows, columns, weight.shape[0]))
    for i in range(rows):
        for j in range(columns):
            view = padded[i * stride : i * stride + 3, j * stride : j * stride + 3]  # (3, 3, C)
            out[i, j] = np.einsum("hwc,ochw->o", view, weight)
    return out


@pytest.mark.parametrize("open_sizes", [True, False])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(8, 7), (9, 10), (5, 6)])
def test_same_padding_follows_the_size(size, stride, open_sizes):
    b = Builder("a.pb")
    x = b.input("x", (None, None, None, 3) if open_sizes else (1, *size, 3))
    window = Window((stride, stride), padding="SAME")
    b.output("y", convolution(b, x, b.constant("w", WEIGHT), None, window, "y"))
    picture = RNG.normal(size=(1, 3, *size)).astype(np.float32)
    got = run_reference(b.finish("a"), {"x": picture})["y"]
    np.testing.assert_allclose(got[0], direct(picture[0].transpose(1, 2, 0), WEIGHT, stride), rtol=1e-4, atol=1e-5)


def test_batch_norm_uses_its_statistics():
    b = Builder("a.pb")
    values = [RNG.uniform(0.5, 2, 3).astype(np.float32) for _ in range(4)]
    names = [b.constant(n, v) for n, v in zip(("scale", "shift", "mean", "variance"), values, strict=True)]
    b.output("y", batch_norm(b, b.input("x", (1, 2, 2, 3)), *names, 1e-3, "y"))
    x = RNG.normal(size=(1, 3, 2, 2)).astype(np.float32)
    scale, shift, mean, variance = values
    want = (x.transpose(0, 2, 3, 1) - mean) / np.sqrt(variance + 1e-3) * scale + shift
    np.testing.assert_allclose(run_reference(b.finish("a"), {"x": x})["y"], want, rtol=1e-5)


@pytest.mark.parametrize(
    ("padding", "size", "want"),
    [("SAME", None, (8, 6)), ("VALID", None, (9, 7)), (((1, 1), (0, 1)), None, (7, 6)), ("SAME", (7, 5), (7, 5))],
)
def test_transposed_convolution_has_the_size_of_the_rule(padding, size, want):
    b = Builder("a.h5")
    x = b.input("x", (1, 4, 3, 2))
    window = Window((2, 2), padding=padding)
    y = transposed_convolution(b, x, b.constant("w", WEIGHT), None, window, size, "y")
    assert b.shape(y) == (1, *want, 3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda b, x: pool(b, "MaxPool", b.add("Squeeze", [x], "s", axes=(0,)), (2, 2), Window(), "y"), BadFile,
         r"a\.h5: tensor 's' has shape \(4, 3, 2\); \(N, H, W, C\) is required"),
        (lambda b, x: resize(b, "linear", x, (4, 4), "y", True, True), BadFile, "'y' asks for align_corners and half"),
        (lambda b, x: activation(b, "MAGIC", x, "y"), BadFile, "'y' has the activation MAGIC; one of"),
        (lambda b, x: transposed_convolution(b, x, b.constant("w", WEIGHT), None, Window(), (99, 9), "y"), BadFile,
         r"'y': size \(99, 9\) does not follow from"),
        (lambda b, x: transposed_convolution(b, b.input("o", (1, None, None, 2)), b.constant("w", WEIGHT), None,
                                             Window(), (6, 6), "y"), Unsupported, "fix the shape of the input"),
    ],
)  # fmt: skip
def test_layer_that_does_not_fit_is_named(make, error, message):
    b = Builder("a.h5")
    with pytest.raises(error, match=message):
        make(b, b.input("x", (1, 4, 3, 2)))


def test_activation_none_is_the_tensor_itself():
    b = Builder("a.h5")
    assert activation(b, "NONE", b.input("x", (1, 3)), "y") == "x"
