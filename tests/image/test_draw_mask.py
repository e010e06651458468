"""Masks drawn on pictures: each class has the colour that the panel shows for it."""

import numpy as np
import pytest

from underone.image import class_color, overlay_mask

COVER = 150 / 255


def colours_of(mask, background=None):
    """Give what lies over each pixel of a black picture."""
    drawn = np.asarray(overlay_mask(np.zeros((*mask.shape, 3), np.uint8), mask, background))
    return np.rint(drawn / COVER).astype(int)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_every_class_has_its_colour(dtype):
    mask = np.arange(1 << 8 if dtype == np.uint8 else 1 << 10).reshape(16, -1).astype(dtype)
    want = np.array([class_color(int(index)) for index in mask.ravel()]).reshape(*mask.shape, 3)
    assert np.abs(colours_of(mask) - want).max() <= 1


def test_background_alone_is_left_as_it_is():
    mask = np.array([[0, 255, 256, 510]], np.int32)
    assert colours_of(mask, background=0).any(2).tolist() == [[False, True, True, True]]
    assert colours_of(mask, background=510).any(2).tolist() == [[True, True, True, False]]
