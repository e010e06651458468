"""Grids that are found in lists of anchors: every family comes back, disorder is refused."""

import numpy as np
import pytest

from underone.boxes import anchor_boxes
from underone.boxes.families import SSD320_MAPS, prior_boxes, tf_ssd, torchvision_ssd, ultraface
from underone.boxes.grids import find_grids
from underone.errors import BadValue
from underone.spec import AnchorGrid


def whole(maps):
    """Make anchors as large as the picture, as BlazeFace has them: {cells on a side: anchors of a cell}."""
    return tuple(
        AnchorGrid(rows=n, columns=n, shapes=((1, 1),) * count, step=(1 / n, 1 / n)) for n, count in maps.items()
    )


FAMILIES = {
    "TensorFlow 300": tf_ssd(),
    "TensorFlow 320": tf_ssd(SSD320_MAPS),
    "torchvision": torchvision_ssd(),
    "UltraFace": ultraface(),
    "wide UltraFace": ultraface((480, 640)),
    "BlazeFace": whole({16: 2, 8: 6}),
    "pose": whole({28: 2, 14: 2, 7: 6}),  # two maps that follow one another have the same shapes
    "own steps": (prior_boxes((38, 38), (300, 300), [30.0], [60.0], [2.0, 0.5], step=(8.0, 8.0)),),
    "one column": (prior_boxes((5, 1), (50, 10), [4.0]),),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_grids_come_back_from_their_anchors(family):
    want = FAMILIES[family]
    anchors = anchor_boxes(want)
    found = find_grids(anchors)
    np.testing.assert_allclose(anchor_boxes(found), anchors, atol=1e-6)
    assert [(g.rows, g.columns, len(g.shapes)) for g in found] == [(g.rows, g.columns, len(g.shapes)) for g in want]
    np.testing.assert_allclose([g.step for g in found], [g.step for g in want], atol=1e-6)


def test_even_steps_are_exact():
    assert find_grids(anchor_boxes(tf_ssd()))[0].step == (1 / 19, 1 / 19)


REFUSED = {
    "no order": (np.random.default_rng(0).uniform(0.1, 1, (500, 4)), "500 anchors lie in no grids of rows and columns"),
    "one moved": (anchor_boxes(tf_ssd()) + np.eye(1917, 4, k=-700) * 0.1, "lie in no grids"),
    "backwards": (anchor_boxes(tf_ssd())[::-1], "lie in no grids"),
    "without width": (np.zeros((3, 4)), "sides that are not finite and above 0"),
    "NaN": (np.full((3, 4), np.nan), "sides that are not finite and above 0"),
    "three numbers": (np.ones((3, 3)), r"anchors have shape \(3, 3\); \(1 to 1048576, 4\), cx cy w h, is required"),
    "none": (np.ones((0, 4)), r"anchors have shape \(0, 4\)"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_anchors_that_are_none_are_refused(fault):
    anchors, text = REFUSED[fault]
    with pytest.raises(BadValue, match=text):
        find_grids(anchors)
