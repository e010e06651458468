"""Tiles: every pixel is seen once, by the tile in which it lies deepest."""

import tracemalloc

import numpy as np
import pytest

from underone.post.tiles import in_tiles


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (64, 64), (65, 64), (100, 333), (257, 129)])
def test_what_depends_on_a_pixel_alone_is_the_same_in_tiles(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    np.testing.assert_array_equal(in_tiles(lambda part: part[..., 1], pixels, (64, 96)), pixels[..., 1])


def test_tiles_have_their_size_and_pixels_lie_deep_in_them():
    """A tile answers how far each of its pixels is from its border; that of the picture does not count."""
    tall, wide = 64, 96
    shapes = set()

    def depth(part: np.ndarray) -> np.ndarray:
        shapes.add(part.shape[:2])
        y, x = np.mgrid[:tall, :wide]
        return np.minimum.reduce([y, tall - 1 - y, x, wide - 1 - x])

    found = in_tiles(depth, np.zeros((300, 500, 3), np.uint8), (tall, wide))
    assert shapes == {(tall, wide)}
    inner = found[tall // 2 : -tall // 2, wide // 2 : -wide // 2]
    assert inner.min() >= tall // 8 - 1  # an eighth of a tile on each side belongs to its neighbour


def test_a_picture_that_is_too_narrow_is_seen_in_smaller_tiles_of_the_same_shape():
    shapes = set()

    def note(part: np.ndarray) -> np.ndarray:
        shapes.add(part.shape[:2])
        return part[..., 0]

    in_tiles(note, np.zeros((32, 400, 3), np.uint8), (64, 96))
    assert shapes == {(32, 48)}


def test_a_picture_of_8000_pixels_takes_the_memory_of_its_mask_and_a_tile():
    pixels = np.zeros((6000, 8000, 3), np.uint8)
    tracemalloc.start()
    in_tiles(lambda part: part[..., 0].copy(), pixels, (513, 513))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6000 * 8000 + 4 * 513 * 513
