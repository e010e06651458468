"""The way TensorFlow 1 resizes, against its own numbers and against TensorFlow's rule written out."""

import numpy as np
import pytest

from underone.image import prepare
from underone.spec import InputSpec, Preparation

# tf.compat.v1.image.resize_bilinear([[[[0], [10], [20]], [[30], [40], [50]]]], [3, 4]), TensorFlow 2.21
SMALL = np.array([[0, 7.5, 15, 20], [20, 27.5, 35, 40], [30, 37.5, 45, 50]], np.float32)


def prepared(pixels, size, **settings):
    how = Preparation(resize="squeeze", interpolation="bilinear_corner", range=(0.0, 255.0), **settings)
    channels = 1 if settings.get("color") == "GRAY" else 3
    return prepare(pixels, InputSpec(shape=(None, channels, *size), preparation=how))[0]


def test_values_are_those_of_tensorflow():
    pixels = np.repeat(np.uint8([[0, 10, 20], [30, 40, 50]])[..., None], 3, axis=2)
    np.testing.assert_allclose(prepared(pixels, (3, 4)), np.stack([SMALL] * 3), rtol=1e-6)


@pytest.mark.parametrize("size", [(7, 9), (40, 31), (20, 30)], ids=["smaller", "larger", "same"])
def test_each_value_lies_between_two_neighbours(size):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    y, x = (np.arange(n) * (old / n) for n, old in zip(size, (20, 30), strict=True))
    want = np.stack([
        np.array([np.interp(y, np.arange(20), np.array([np.interp(v, np.arange(30), row) for row in plane])[:, 0])
                  for v in x[:, None]]).T
        for plane in pixels.transpose(2, 0, 1)
    ])  # fmt: skip
    np.testing.assert_allclose(prepared(pixels, size), want, atol=1e-3)


def test_colours_and_normalisation_are_those_of_the_preparation():
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    plain = prepared(pixels, (7, 9))
    turned = prepared(pixels, (7, 9), color="BGR", mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0))
    want = (plain[::-1] - np.float32([1, 2, 3])[:, None, None]) / np.float32([2, 4, 8])[:, None, None]
    np.testing.assert_allclose(turned, want, rtol=1e-5, atol=1e-5)
    assert prepared(pixels, (7, 9), color="GRAY", mean=(0.0,), std=(1.0,)).shape == (1, 7, 9)


def test_channels_last_gives_the_same_numbers():
    pixels = np.random.default_rng(2).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    how = Preparation(resize="squeeze", interpolation="bilinear_corner", range=(0.0, 255.0))
    last = prepare(pixels, InputSpec(shape=(None, 7, 9, 3), layout="NHWC", preparation=how))[0]
    np.testing.assert_array_equal(last.transpose(2, 0, 1), prepared(pixels, (7, 9)))
