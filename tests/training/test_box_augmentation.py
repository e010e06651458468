"""Boxes stay on their objects through every change of the picture."""

import numpy as np
import pytest

from underone.data.boxed import Boxes, areas_of
from underone.training.box_augmentation import augment_boxes, mosaic
from underone.training.recipe import Recipe, Stage

FILL = (90, 100, 110)
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)


def page(seed: int = 0) -> tuple[np.ndarray, Boxes]:
    """Three filled squares on black; the class is the colour."""
    pixels = np.zeros((120, 160, 3), np.uint8)
    corners = np.array([[10, 15, 50, 55], [90, 20, 150, 80], [40, 70, 80, 110]], np.float32)
    for (x1, y1, x2, y2), color in zip(corners.astype(int), COLORS, strict=True):
        pixels[y1:y2, x1:x2] = color
    none = np.zeros(3, bool)
    return pixels, Boxes(corners, np.arange(3), none, none, areas_of(corners))


def require_on_their_objects(pixels: np.ndarray, corners: np.ndarray, ids: np.ndarray) -> None:
    """Every box encloses its colour tightly, as far as a picture's grid allows."""
    for box, index in zip(corners, ids, strict=True):
        other = [i for i in range(3) if i != index]
        like = pixels.astype(int)[..., index] - pixels.astype(int)[..., other].max(-1) > 60
        rows, columns = np.nonzero(like)
        inside = (columns >= box[0] - 2) & (columns <= box[2] + 2) & (rows >= box[1] - 2) & (rows <= box[3] + 2)
        assert inside.any(), f"no pixel of class {index} in {box}"
        found = [columns[inside].min(), rows[inside].min(), columns[inside].max() + 1, rows[inside].max() + 1]
        np.testing.assert_allclose(found, box, atol=2.5)


@pytest.mark.parametrize("seed", range(30))
def test_boxes_move_with_the_picture(seed):
    recipe = Recipe(name="t", expand=3.0, photometric=0.3)
    pixels, boxes = page()
    image, corners, ids = augment_boxes(pixels, boxes, seed, recipe, Stage(until=1, size=128), FILL)
    assert image.shape == (128, 128, 3)
    assert image.dtype == np.uint8
    assert (corners >= 0).all()
    assert (corners <= 128).all()
    require_on_their_objects(image, corners, ids)


def test_the_seed_decides_everything():
    recipe, stage = Recipe(name="t"), Stage(until=1, size=96)
    first, second, other = (augment_boxes(*page(), seed, recipe, stage, FILL) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_without_changes_a_picture_is_only_resized_and_perhaps_flipped():
    recipe = Recipe(name="t", expand=1.0, min_iou_crop=False, photometric=0.0)
    wanted = np.array([[8, 12, 40, 44], [72, 16, 120, 64], [32, 56, 64, 88]])  # of 160 x 120, squeezed to 128 x 96
    wanted = wanted * [1, 128 / 96, 1, 128 / 96]
    seen = set()
    for seed in range(8):
        _, corners, _ = augment_boxes(*page(), seed, recipe, Stage(until=1, size=128), FILL)
        flipped = not np.allclose(corners, wanted, atol=0.1)
        seen.add(flipped)
        mirrored = np.stack([128 - wanted[:, 2], wanted[:, 1], 128 - wanted[:, 0], wanted[:, 3]], 1)
        np.testing.assert_allclose(corners, mirrored if flipped else wanted, atol=0.1)
    assert seen == {True, False}


def test_strength_0_changes_nothing_but_place():
    recipe = Recipe(name="t", min_iou_crop=False)
    image, _, _ = augment_boxes(*page(), 5, recipe, Stage(until=1, size=128, strength=0.0), FILL)
    assert not (np.abs(image.astype(int) - FILL).max(-1) < 3).any()  # the page did not grow
    assert image.max() == 255


def test_a_picture_without_boxes_is_augmented():
    pixels, boxes = page()
    image, corners, ids = augment_boxes(pixels, boxes.at(slice(0)), 1, Recipe(name="t"), Stage(until=1, size=64), FILL)
    assert (image.shape, corners.shape, ids.shape) == ((64, 64, 3), (0, 4), (0,))


@pytest.mark.parametrize("seed", range(5))
def test_mosaic_puts_four_pictures_with_their_boxes_on_a_page(seed):
    whole, boxes = mosaic([page()] * 4, np.random.default_rng(seed), FILL)
    assert whole.shape == (120, 160, 3)
    assert len(boxes.corners) == 12
    require_on_their_objects(whole, boxes.corners, boxes.class_ids)
    np.testing.assert_allclose(boxes.areas, areas_of(boxes.corners), rtol=1e-4)
