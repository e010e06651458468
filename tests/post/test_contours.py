"""Borders by hand, and the area that they enclose."""

import numpy as np
import pytest

from underone.post.contours import contours_of


def enclosed(polygon):
    x, y = polygon.T.astype(float)
    return (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2


def test_one_pixel_is_a_square():
    [square] = contours_of(np.array([[False, True]]))
    assert sorted(square.tolist()) == [[1, 0], [1, 1], [2, 0], [2, 1]]
    assert enclosed(square) == 1  # positive: clockwise on the screen


def test_hole_runs_the_other_way():
    area = np.ones((3, 3), bool)
    area[1, 1] = False
    assert sorted(map(enclosed, contours_of(area))) == [-1, 9]


def test_pixels_that_touch_at_a_corner_are_apart():
    assert sorted(map(enclosed, contours_of(np.eye(3, dtype=bool)))) == [1, 1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_contours_enclose_exactly_the_area(seed):
    area = np.random.default_rng(seed).random((23, 31)) < 0.6
    assert sum(map(enclosed, contours_of(area))) == area.sum()


def test_nothing_has_no_contour():
    assert contours_of(np.zeros((2, 2), bool)) == []
