"""Masks stay on their areas through every change of the picture."""

import numpy as np
import pytest
from PIL import Image

from underone.training.mask_augmentation import augment_mask
from underone.training.recipe import Recipe, Stage

FILL = (90, 100, 110)
COLORS = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
PLAIN = {"name": "t", "size": 96, "photometric": 0.0}


def page() -> tuple[np.ndarray, np.ndarray]:
    """Areas in the colours of their classes, no two alike; a corner is ignored."""
    mask = np.zeros((120, 160), np.uint8)
    mask[10:60, 15:50] = 1
    mask[30:110, 70:100] = 2
    mask[70:100, 110:155] = 3
    pixels = COLORS[mask]
    mask[:12, 130:] = 255
    return pixels, mask


def inner(mask: np.ndarray, value: int, reach: int = 2) -> np.ndarray:
    """Say which pixels have the value, and all around them too; beyond the border nothing is known."""
    near = np.pad(mask == value, reach)
    height, width = mask.shape
    parts = [near[y : y + height, x : x + width] for y in range(2 * reach + 1) for x in range(2 * reach + 1)]
    return np.logical_and.reduce(parts)


@pytest.mark.parametrize("rotation", [0.0, 25.0])
@pytest.mark.parametrize("seed", range(30))
def test_masks_move_with_the_picture(seed, rotation):
    stage = Stage(until=1, size=(96, 64, 128)[seed % 3])
    image, mask = augment_mask(*page(), seed, Recipe(**PLAIN | {"rotation": rotation}), stage, FILL)
    assert image.shape == (stage.size, stage.size, 3)
    assert (image.dtype, mask.dtype, mask.shape) == (np.uint8, np.uint8, (stage.size, stage.size))
    for index, color in enumerate(COLORS):
        inside = inner(mask, index)
        assert (np.abs(image[inside].astype(int) - color) <= 2).all(), f"class {index} lies elsewhere"
    outside = (np.abs(image.astype(int) - FILL) <= 2).all(-1)
    assert (mask[inner(outside, True)] == 255).all()


def test_every_class_is_seen_and_the_page_too():
    seen = [
        np.unique(augment_mask(*page(), seed, Recipe(**PLAIN), Stage(until=1, size=96), FILL)[1]) for seed in range(9)
    ]
    assert set(np.concatenate(seen).tolist()) == {0, 1, 2, 3, 255}


def test_the_seed_decides_everything():
    recipe, stage = Recipe(name="t"), Stage(until=1, size=96)
    first, second, other = (augment_mask(*page(), seed, recipe, stage, FILL) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_a_factor_of_1_is_the_whole_picture_as_a_test_sees_it():
    pixels, mask = page()
    recipe = Recipe(**PLAIN | {"zoom": (1, 1)})
    wanted = np.asarray(Image.fromarray(pixels).resize((96, 96), Image.Resampling.BILINEAR))
    flips = set()
    for seed in range(8):
        image, _ = augment_mask(pixels, mask, seed, recipe, Stage(until=1, size=96), FILL)
        flips.add(not np.array_equal(image, wanted))
        np.testing.assert_array_equal(image, wanted[:, ::-1] if not np.array_equal(image, wanted) else wanted)
    assert flips == {True, False}


def test_the_factor_is_of_the_size_of_the_test_and_the_part_of_the_stage():
    recipe = Recipe(**PLAIN | {"zoom": (2, 2), "size": 64, "test_size": 80})
    _, mask = augment_mask(*page(), 0, recipe, Stage(until=1, size=160), FILL)  # 160 is 80 twice: all of it
    assert (mask == 2).mean() == pytest.approx(80 * 30 / (120 * 160), abs=0.01)


def test_strength_0_neither_zooms_nor_distorts():
    recipe = Recipe(name="t", size=96)
    picture = augment_mask(*page(), 5, recipe, Stage(until=1, size=96, strength=0.0), FILL)[0]
    plain = augment_mask(*page(), 5, Recipe(**PLAIN | {"zoom": (1, 1)}), Stage(until=1, size=96), FILL)[0]
    np.testing.assert_array_equal(picture, plain)


def test_distortion_leaves_the_mask():
    stage = Stage(until=1, size=96)
    plain, strong = (augment_mask(*page(), 2, Recipe(**PLAIN | {"photometric": p}), stage, FILL) for p in (0.0, 1.0))
    np.testing.assert_array_equal(plain[1], strong[1])
    assert not np.array_equal(plain[0], strong[0])


def test_parts_are_turned_up_to_the_angle_either_way():
    mask = np.zeros((200, 200), np.uint8)
    mask[100:] = 1  # its border is level
    recipe, stage = Recipe(**PLAIN | {"zoom": (1, 1), "rotation": 20.0}), Stage(until=1, size=201)
    angles = []
    for seed in range(40):
        turned = augment_mask(COLORS[mask], mask, seed, recipe.changed(size=201), stage, FILL)[1]
        left, right = ((turned[:, x] == 1).argmax() for x in (70, 130))
        angles.append(np.degrees(np.arctan2(int(right) - int(left), 60)))
    assert 15 < max(angles) <= 21
    assert -21 <= min(angles) < -15


def test_noise_is_added_to_the_picture_alone():
    grey = np.full((96, 96, 3), 128, np.uint8), np.ones((96, 96), np.uint8)
    recipe, stage = Recipe(**PLAIN | {"zoom": (1, 1), "noise": 0.1}), Stage(until=1, size=96)
    found = [augment_mask(*grey, seed, recipe, stage, FILL) for seed in range(40)]
    deviations = [image.std() / 255 for image, _ in found]
    assert 0.09 < max(deviations) < 0.105
    assert min(deviations) < 0.01
    assert all(abs(image.mean() - 128) < 1 and (mask == 1).all() for image, mask in found)


def test_strength_0_neither_turns_nor_adds_noise():
    stage = Stage(until=1, size=96, strength=0.0)
    plain, strong = (
        augment_mask(*page(), 3, Recipe(**PLAIN | more), stage, FILL) for more in ({}, {"rotation": 30.0, "noise": 0.5})
    )
    assert all(np.array_equal(a, b) for a, b in zip(plain, strong, strict=True))


def test_parts_of_nearly_one_class_are_drawn_again():
    mask = np.zeros((100, 100), np.uint8)
    mask[:, 60:] = 1
    recipe, stage = Recipe(**PLAIN | {"zoom": (2, 2)}), Stage(until=1, size=64)
    parts = [augment_mask(COLORS[mask], mask, seed, recipe, stage, FILL)[1] for seed in range(40)]
    most = [np.bincount(part.reshape(-1)).max() / part.size for part in parts]
    assert np.mean(np.array(most) <= 0.75) > 0.9  # one draw gives such a part in about a quarter of the cases


def test_pictures_of_one_class_or_none_are_still_learnt():
    for value in (0, 255):
        mask = np.full((40, 30), value, np.uint8)
        image, target = augment_mask(
            np.zeros((40, 30, 3), np.uint8), mask, 1, Recipe(**PLAIN), Stage(until=1, size=64), FILL
        )
        assert image.shape == (64, 64, 3)
        assert set(np.unique(target)) <= {value, 255}


def test_a_picture_of_one_pixel_is_enlarged():
    recipe = Recipe(**PLAIN | {"zoom": (1, 1)})
    one = np.full((1, 1, 3), 7, np.uint8), np.full((1, 1), 2, np.uint8)
    image, mask = augment_mask(*one, 0, recipe, Stage(until=1, size=96), FILL)
    assert (image == 7).all()
    assert (mask == 2).all()
