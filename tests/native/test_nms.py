"""Non-maximum suppression against a loop in numpy, torchvision, and cases by hand."""

import numpy as np
import pytest

native = pytest.importorskip("underone._native", reason="the native part is not built")


def random_boxes(count, seed, extent=100.0):
    rng = np.random.default_rng(seed)
    corner, size = rng.random((count, 2)) * extent, rng.random((count, 2)) * 30
    boxes = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
    return boxes, rng.random(count).astype(np.float32)


def oracle(boxes, scores, threshold, classes=None, most=None):
    """Keep the best, drop what overlaps it, go on; one pair at a time, in float64."""
    boxes = boxes.astype(np.float64)
    classes = np.zeros(len(boxes), np.int64) if classes is None else classes
    usable = [i for i in range(len(boxes)) if np.isfinite(boxes[i]).all() and not np.isnan(scores[i])]
    kept = []
    for i in sorted(usable, key=lambda i: (-float(scores[i]), i)):
        if all(classes[i] != classes[j] or overlap(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept[:most]


def overlap(a, b):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = float(np.prod(np.maximum(sides, 0)))
    areas = sum(float(np.prod(np.maximum(box[2:] - box[:2], 0))) for box in (a, b))
    return both / (areas - both) if areas > both else 0.0


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 300])
def test_nms_equals_the_loop(count, threshold):
    boxes, scores = random_boxes(count, count)
    found = native.nms(boxes, scores, threshold)
    assert found.dtype == np.int64
    assert found.tolist() == oracle(boxes, scores, threshold)


def test_classes_do_not_suppress_each_other():
    boxes, scores = random_boxes(300, 1, extent=40)
    classes = np.random.default_rng(2).choice([-5, 0, 7, 2**40], 300)
    found = native.nms(boxes, scores, 0.4, classes).tolist()
    assert found == oracle(boxes, scores, 0.4, classes)
    assert len(found) > len(native.nms(boxes, scores, 0.4))


@pytest.mark.parametrize("most", [0, 1, 7, 1000])
def test_the_best_are_given_when_fewer_are_wanted(most):
    boxes, scores = random_boxes(200, 3)
    assert native.nms(boxes, scores, 0.5, max_outputs=most).tolist() == oracle(boxes, scores, 0.5, most=most)


def test_equal_scores_keep_the_order_given():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60], [50, 50, 60, 60]], np.float32)
    assert native.nms(boxes, np.full(4, 0.5, np.float32), 0.5).tolist() == [0, 2]


def test_a_threshold_that_is_met_exactly_suppresses_nothing():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 3], [0, 0, 10, 7]], np.float32)  # overlaps 0.3, 0.7 and 3/7
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    assert native.nms(boxes, scores, 0.7).tolist() == [0, 1, 2]
    assert native.nms(boxes, scores, np.nextafter(0.7, 0)).tolist() == [0, 1]
    assert native.nms(boxes, scores, np.nextafter(0.3, 0)).tolist() == [0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", range(4))
def test_boxes_that_are_no_numbers_are_never_kept(bad, side):
    boxes, scores = random_boxes(20, 4)
    boxes[5, side] = bad
    scores[6], scores[7], scores[8] = np.nan, np.inf, -np.inf
    found = native.nms(boxes, scores, 0.5).tolist()
    assert found == oracle(boxes, scores, 0.5)
    assert 5 not in found
    assert 6 not in found


def test_empty_and_inverted_boxes_overlap_nothing():
    boxes = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [9, 9, 1, 1], [0, 0, 10, 10], [9, 0, 1, 10]], np.float32)
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32)
    assert native.nms(boxes, scores, 0.0).tolist() == [0, 1, 2, 3, 4]


def test_areas_beyond_float32_do_not_overflow():
    boxes = np.array([[-3e38, -3e38, 3e38, 3e38], [-3e38, -3e38, 3e38, 2.9e38], [0, 0, 1, 1]], np.float32)
    assert native.nms(boxes, np.array([0.9, 0.8, 0.7], np.float32), 0.5).tolist() == [0, 2]


def whole_boxes(rng, count):
    """Boxes of few whole sides, so that many overlaps are the threshold itself or a neighbour of it."""
    corner, size = rng.integers(0, 12, (count, 2)), rng.integers(0, 9, (count, 2))
    return np.concatenate([corner, corner + size], axis=1).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.0, 1e-7, 1 / 3, 0.4999999999, 0.6, 1.0])
@pytest.mark.parametrize("scale", [1.0, 1 / 300, 1e-20, 1e-22, 1e-43, 1e17, 1.5e37])
def test_overlaps_at_the_threshold_are_decided_as_by_the_loop(scale, threshold):
    rng = np.random.default_rng(5)
    boxes, scores = whole_boxes(rng, 100) * np.float32(scale), rng.random(100).astype(np.float32)
    assert native.nms(boxes, scores, threshold).tolist() == oracle(boxes, scores, threshold)


@pytest.mark.parametrize("threshold", [1e-30, 0.1, 0.5])
def test_boxes_of_every_size_are_decided_as_by_the_loop(threshold):
    rng = np.random.default_rng(6)
    middle, half = rng.normal(size=(150, 2)), rng.choice([0.7, 1, 1.01], (150, 2))
    boxes = np.concatenate([middle - half, middle + half], axis=1) * 10.0 ** rng.integers(-30, 37, (150, 1))
    boxes = np.concatenate([boxes, boxes * rng.uniform(0.6, 1.2, (150, 1))]).astype(np.float32)
    scores = rng.random(300).astype(np.float32)
    assert native.nms(boxes, scores, threshold).tolist() == oracle(boxes, scores, threshold)


def test_small_boxes_far_from_the_origin_are_decided_as_by_the_loop():
    rng = np.random.default_rng(7)
    boxes, scores = random_boxes(150, 7, extent=40)
    boxes = boxes + rng.choice([-1e6, 0, 1e6], (150, 1)).astype(np.float32)
    assert native.nms(boxes, scores, 0.5).tolist() == oracle(boxes, scores, 0.5)


@pytest.mark.parametrize("threshold", [1 / 3, 0.5, 0.75])
def test_pairs_one_step_around_the_threshold_are_decided_as_by_the_loop(threshold):
    """A box and a part of it, as wide as makes the overlap the threshold, up to 40 steps of float32 more or less."""
    right = np.float32(100 * threshold) + np.arange(-40, 41, dtype=np.float32) * np.spacing(np.float32(100 * threshold))
    for x in right:
        boxes, scores = np.array([[0, 0, 100, 7], [0, 0, x, 7]], np.float32), np.array([0.9, 0.8], np.float32)
        assert native.nms(boxes, scores, threshold).tolist() == oracle(boxes, scores, threshold), x


def test_a_corner_in_common_counts_at_tiny_thresholds():
    """Two boxes share a corner whose area float32 hardly holds."""
    scores = np.array([0.9, 0.8], np.float32)
    for width in np.linspace(1e-22, 3e-22, 50):
        boxes = np.array([[-2e-12, -2e-12, width, 1e-22], [0, 0, 2e-12, 2e-12]], np.float32)
        threshold = overlap(*boxes.astype(np.float64)) * 0.9999
        assert native.nms(boxes, scores, threshold).tolist() == [0], width
        assert native.nms(boxes, scores, threshold * 1.001).tolist() == [0, 1], width


def test_nms_agrees_with_torchvision_on_whole_boxes():
    ops, torch = pytest.importorskip("torchvision.ops"), pytest.importorskip("torch")
    rng = np.random.default_rng(8)
    boxes = whole_boxes(rng, 2000) * 4
    boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(1)]
    scores, classes = rng.permutation(len(boxes)).astype(np.float32), rng.integers(0, 7, len(boxes))
    given = torch.from_numpy(boxes), torch.from_numpy(scores)
    for threshold in (0.25, 0.5, 0.75):  # exact in binary: there the division in float32 decides as exactly as ours
        assert native.nms(boxes, scores, threshold).tolist() == ops.nms(*given, threshold).tolist()
        want = ops.batched_nms(*given, torch.from_numpy(classes), threshold).tolist()
        assert native.nms(boxes, scores, threshold, classes).tolist() == want


def test_nms_agrees_with_torchvision():
    ops, torch = pytest.importorskip("torchvision.ops"), pytest.importorskip("torch")
    for seed in range(5):
        boxes, scores = random_boxes(1000, seed, extent=300)
        wanted = ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.45).numpy()
        np.testing.assert_array_equal(native.nms(boxes, scores, 0.45), wanted)


def test_arguments_that_do_not_fit_are_refused():
    boxes, scores = random_boxes(4, 0)
    with pytest.raises(ValueError, match="one score and, if any, one class for each box"):
        native.nms(boxes, scores[:3], 0.5)
    with pytest.raises(ValueError, match="one score and, if any, one class for each box"):
        native.nms(boxes, scores, 0.5, np.zeros(5, np.int64))
    for threshold in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="0 <= iou_threshold <= 1 is required"):
            native.nms(boxes, scores, threshold)
    with pytest.raises(ValueError, match="max_outputs must not be negative"):
        native.nms(boxes, scores, 0.5, max_outputs=-1)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        native.nms(boxes[:, :3], scores, 0.5)
