"""Suppression against torchvision, in all its kinds, and on what a broken network may give."""

import tracemalloc

import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms

from underone.boxes import iou, nms, suppress, suppression
from underone.errors import BadValue, ShapeError
from underone.spec import DetectionSpec

ALL = {"score_threshold": 0, "top_k": 10_000, "max_per_class": 10_000, "max_detections": 10_000}


def candidates(rng, count, classes=3):
    start = rng.uniform(0, 0.8, (count, 2))
    boxes = np.concatenate([start, start + rng.uniform(0.05, 0.2, (count, 2))], 1).astype(np.float32)
    return boxes, rng.permutation(count).astype(np.float32) / count, rng.integers(0, classes, count)


@pytest.fixture(params=["compiled", "numpy"])
def either(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(suppression, "compiled", None)
    elif suppression.compiled is None:
        pytest.skip("built without a compiler")


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.usefixtures("either")
def test_nms_equals_torchvision(rng, threshold):
    boxes, scores, classes = candidates(rng, 600)
    want = batched_nms(torch.from_numpy(boxes), torch.from_numpy(scores), torch.from_numpy(classes), threshold)
    np.testing.assert_array_equal(nms(boxes, scores, threshold, classes), want.numpy())


@pytest.mark.usefixtures("either")
def test_nms_keeps_the_lower_index_at_equal_score_and_stops_when_there_are_enough():
    boxes = np.tile(np.float32([0, 0, 1, 1]), (4, 1)) + np.float32([[0], [0], [5], [9]])
    assert nms(boxes, np.ones(4), 0.5).tolist() == [0, 2, 3]
    assert nms(boxes, np.ones(4), 0.5, most=2).tolist() == [0, 2]


@pytest.mark.usefixtures("either")
def test_nms_drops_what_is_not_finite(rng):
    boxes, scores, _ = candidates(rng, 6)
    boxes[0, 2], boxes[1, 0], scores[2] = np.nan, -np.inf, np.nan
    assert not {0, 1, 2} & set(nms(boxes, scores, 1.0).tolist())


@pytest.mark.usefixtures("either")
def test_nms_of_nothing_is_nothing():
    assert nms(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []


def test_suppression_equals_torchvision_with_its_limits(rng):
    boxes, _, _ = candidates(rng, 500)
    scores = rng.random((500, 4)).astype(np.float32) ** 4
    how = DetectionSpec(score_threshold=0.2, iou_threshold=0.4, top_k=50, max_detections=30)
    rows, classes = [], []
    for c in range(4):  # what torchvision's SSD does with each class
        best = (-scores[:, c]).argsort()[:50]
        rows += best[scores[best, c] >= 0.2].tolist()
        classes += [c] * (len(rows) - len(classes))
    kept = batched_nms(
        torch.from_numpy(boxes[rows]), torch.from_numpy(scores[rows, classes]), torch.tensor(classes), 0.4
    ).numpy()[:30]
    anchors, class_ids = np.nonzero(scores >= 0.2)
    found = suppress(boxes[anchors], scores[anchors, class_ids], class_ids, how)
    np.testing.assert_array_equal(found.class_ids, np.asarray(classes)[kept])
    np.testing.assert_array_equal(found.boxes, boxes[rows][kept])
    assert found.boxes.dtype == found.scores.dtype == np.float32


def test_each_class_keeps_at_most_its_share(rng):
    boxes, scores, classes = candidates(rng, 300)
    found = suppress(boxes, scores, classes, DetectionSpec(max_per_class=5, max_detections=100))
    assert np.bincount(found.class_ids).tolist() == [5, 5, 5]
    assert (np.diff(found.scores) <= 0).all()


def test_without_classes_any_box_suppresses():
    boxes = np.float32([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5], [0.6, 0.6, 1, 1]])
    candidates_of = boxes, np.float32([0.9, 0.8, 0.6]), np.asarray([1, 0, 1])
    found = suppress(*candidates_of, DetectionSpec(per_class=False))
    assert found.class_ids.tolist() == [1, 1]
    np.testing.assert_allclose(found.scores, [0.9, 0.6])
    assert len(suppress(*candidates_of, DetectionSpec()).scores) == 3  # by class


def test_soft_suppression_lowers_the_score_by_the_overlap():
    boxes = np.float32([[0, 0, 0.4, 0.4], [0, 0, 0.4, 0.2], [0.5, 0.5, 1, 1]])
    found = suppress(
        boxes, np.float32([0.9, 0.8, 0.7]), np.zeros(3, int), DetectionSpec(nms="soft", score_threshold=0.1)
    )
    np.testing.assert_allclose(found.scores, [0.9, 0.7, 0.8 * np.exp(-(0.5**2) / 0.5)], rtol=1e-6)
    np.testing.assert_array_equal(found.boxes, boxes[[0, 2, 1]])
    gone = suppress(
        boxes, np.float32([0.9, 0.8, 0.7]), np.zeros(3, int), DetectionSpec(nms="soft", score_threshold=0.6)
    )
    assert len(gone.scores) == 2


def test_weighted_suppression_averages_by_score():
    boxes = np.float32([[0, 0, 0.4, 0.4], [0, 0, 0.4, 0.36], [0.5, 0.5, 1, 1]])
    found = suppress(boxes, np.float32([0.9, 0.3, 0.7]), np.zeros(3, int), DetectionSpec(nms="weighted"))
    np.testing.assert_allclose(found.boxes, [[0, 0, 0.4, 0.39], [0.5, 0.5, 1, 1]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.9, 0.7])


def test_weighted_suppression_of_scores_of_zero_keeps_the_box():
    box = np.float32([[0, 0, 0.5, 0.5]])
    found = suppress(box, np.zeros(1), np.zeros(1, int), DetectionSpec(nms="weighted", **ALL))
    np.testing.assert_array_equal(found.boxes, box)


def test_no_suppression_keeps_every_box(rng):
    boxes, scores, classes = candidates(rng, 50)
    assert len(suppress(boxes, scores, classes, DetectionSpec(nms="none", **ALL)).scores) == 50


@pytest.mark.parametrize("kind", ["hard", "soft", "weighted"])
def test_boxes_of_other_classes_are_left_alone(kind):
    boxes = np.tile(np.float32([0.1, 0.1, 0.9, 0.9]), (2, 1))
    found = suppress(boxes, np.float32([0.9, 0.8]), np.asarray([0, 1]), DetectionSpec(nms=kind))
    np.testing.assert_allclose(found.scores, [0.9, 0.8])


def test_border_cuts_before_or_after_the_suppression():
    boxes = np.float32([[-1, 0, 0.5, 1], [0, 0, 0.5, 1]])  # the same object only once they are cut
    counts = {
        when: len(suppress(boxes, np.float32([0.9, 0.8]), np.zeros(2, int), DetectionSpec(clip_boxes=when)).scores)
        for when in ("before", "after")
    }
    assert counts == {"before": 1, "after": 2}


@pytest.mark.parametrize("kind", ["hard", "soft", "weighted", "none"])
def test_boxes_that_nobody_can_see_are_left_out(kind):
    boxes = np.float32(
        [[1.1, 0, 1.5, 1], [0.5, 0.5, 0.5, 0.9], [0.6, 0.2, 0.4, 0.9], [np.nan, 0, 1, 1], [0, 0, np.inf, 1]]
    )
    found = suppress(boxes, np.full(5, 0.9), np.zeros(5, int), DetectionSpec(nms=kind))
    assert found.boxes.shape == (0, 4)


@pytest.mark.parametrize("kind", ["soft", "weighted"])
def test_suppression_takes_memory_for_one_row_of_overlaps(rng, kind):
    boxes, scores, classes = candidates(rng, 3000)
    tracemalloc.start()
    found = suppress(boxes, scores, classes, DetectionSpec(nms=kind, **ALL))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.scores) > 100
    assert peak < 8 * 2**20  # all overlaps at once took 550 MB


def test_ten_thousand_boxes_that_all_count(rng):
    boxes, _, _ = candidates(rng, 10_000)
    how = DetectionSpec(max_per_class=200, max_detections=300)
    found = suppress(boxes.repeat(2, 0), np.ones(20_000, np.float32), np.tile([0, 1], 10_000), how)
    assert len(found.scores) > 50
    for c in range(2):
        overlap = iou(found.boxes[found.class_ids == c], found.boxes[found.class_ids == c])
        np.fill_diagonal(overlap, 0)
        assert overlap.max() <= 0.5


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"iou_threshold": 1.5}, r"iou_threshold is 1\.5; 0 to 1 is required"),
        ({"iou_threshold": float("nan")}, "iou_threshold is nan; 0 to 1 is required"),
        ({"iou_threshold": 0.5, "most": -1}, "most is -1; 0 or more is required"),
    ],
)
def test_settings_out_of_range_are_refused(settings, text):
    with pytest.raises(BadValue, match=text):
        nms(np.zeros((1, 4)), np.zeros(1), **settings)


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"boxes \(2, 4\), scores \(3,\), class_ids \(3,\); \(N, 4\), \(N,\) and"):
        nms(np.zeros((2, 4)), np.zeros(3), 0.5)
