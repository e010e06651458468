"""Overlap and matching against torchvision, and on hard cases."""

import numpy as np
import pytest
import torch
from torchvision.models.detection._utils import SSDMatcher
from torchvision.ops import box_iou

from underone.boxes import anchor_boxes, corners, iou, match
from underone.boxes.families import tf_ssd
from underone.errors import ShapeError

ANCHORS = anchor_boxes(tf_ssd())


def some_boxes(rng, count, largest=0.5):
    start = rng.uniform(0, 1 - largest, (count, 2))
    return np.concatenate([start, start + rng.uniform(0.02, largest, (count, 2))], 1).astype(np.float32)


def test_iou_equals_torchvision(rng):
    a, b = some_boxes(rng, 40), some_boxes(rng, 60)
    np.testing.assert_allclose(iou(a, b), box_iou(torch.from_numpy(a), torch.from_numpy(b)).numpy(), atol=1e-6)


def test_boxes_without_area_overlap_nothing():
    flat = [[0.1, 0.1, 0.1, 0.5], [0.5, 0.5, 0.4, 0.4], [0, 0, 0, 0]]
    with np.errstate(all="raise"):
        assert not iou(flat, flat).any()


def test_iou_of_nothing_is_empty():
    assert iou(np.zeros((0, 4)), ANCHORS).shape == (0, 1917)


def test_matching_equals_torchvision_where_boxes_want_different_anchors(rng):
    # numbers whose boxes meet the conditions below
    boxes = some_boxes(np.random.default_rng(4), 6)
    quality = box_iou(torch.from_numpy(boxes), torch.from_numpy(corners(ANCHORS)))
    best = quality.topk(2)
    assert len(set(best.indices[:, 0].tolist())) == 6  # otherwise the two may differ
    assert (best.values[:, 0] - best.values[:, 1]).min() > 1e-5  # torchvision computes in float32
    np.testing.assert_array_equal(match(boxes, ANCHORS), SSDMatcher(0.5)(quality).numpy().clip(-1))


def test_every_box_gets_an_anchor_also_when_two_want_the_same(rng):
    boxes = np.repeat(some_boxes(rng, 3, largest=0.1), 2, axis=0)
    assert set(match(boxes, ANCHORS)) - {-1} == set(range(6))
    assert set(match(boxes, ANCHORS, positive=0.99, force=False)) == {-1}


def test_box_outside_the_picture_gets_no_anchor():
    assert set(match([[5, 5, 6, 6], [0.4, 0.4, 0.6, 0.6]], ANCHORS)) == {-1, 1}


def test_no_boxes_match_nothing():
    assert (match(np.zeros((0, 4)), ANCHORS) == -1).all()


def test_ten_thousand_boxes_are_matched(rng):
    boxes = some_boxes(rng, 10_000)
    found = match(boxes, ANCHORS, force=False)
    best = iou(boxes, corners(ANCHORS)).argmax(0)
    assert ((found == best) | (found == -1)).all()
    assert (found >= 0).sum() > 500


def test_boxes_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"boxes have shape \(3, 5\); \(any, 4\), x1 y1 x2 y2, is required"):
        match(np.zeros((3, 5)), ANCHORS)
