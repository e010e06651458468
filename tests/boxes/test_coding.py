"""Codes against torchvision's coder, and at the edges of what a head may give."""

import numpy as np
import pytest
import torch
from torchvision.models.detection._utils import BoxCoder

from underone.boxes import anchor_boxes, centres, corners, decode, encode
from underone.boxes.families import tf_ssd
from underone.errors import ShapeError
from underone.spec import DetectionSpec

ANCHORS = anchor_boxes(tf_ssd())
DETECTION = DetectionSpec(anchors=tf_ssd())


@pytest.fixture
def boxes(rng):
    x, y = rng.uniform(0, 0.8, (2, len(ANCHORS)))
    return np.stack([x, y, x + rng.uniform(0.01, 0.2, len(x)), y + rng.uniform(0.01, 0.2, len(y))], 1).astype(
        np.float32
    )


def test_decoded_boxes_equal_torchvision(rng):
    codes = rng.normal(0, 2, (len(ANCHORS), 4)).astype(np.float32)
    coder = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
    want = coder.decode_single(torch.from_numpy(codes), torch.from_numpy(corners(ANCHORS))).numpy()
    np.testing.assert_allclose(decode(codes, ANCHORS, DETECTION), want, atol=2e-6)


def test_encoded_boxes_equal_torchvision(boxes):
    coder = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
    want = coder.encode_single(torch.from_numpy(boxes), torch.from_numpy(corners(ANCHORS))).numpy()
    np.testing.assert_allclose(encode(boxes, ANCHORS, DETECTION), want, atol=1e-3, rtol=1e-4)  # torch in float32


@pytest.mark.parametrize("code", ["xywh", "yxhw"])
@pytest.mark.parametrize("sizes", ["log", "linear"])
def test_code_of_a_box_decodes_to_it(boxes, code, sizes):
    how = DETECTION.model_copy(update={"code": code, "sizes": sizes, "variances": (0.1, 0.3, 0.2, 0.5)})
    np.testing.assert_allclose(decode(encode(boxes, ANCHORS, how), ANCHORS, how), boxes, atol=1e-6)


def test_order_of_a_code_is_the_one_that_the_spec_says(boxes):
    first, second = (encode(boxes, ANCHORS, DETECTION.model_copy(update={"code": c})) for c in ("xywh", "yxhw"))
    np.testing.assert_array_equal(first, second[:, [1, 0, 3, 2]])


def test_a_batch_of_codes_is_decoded_at_once(rng):
    codes = rng.normal(size=(3, len(ANCHORS), 4)).astype(np.float32)
    np.testing.assert_array_equal(decode(codes, ANCHORS, DETECTION)[2], decode(codes[2], ANCHORS, DETECTION))


@pytest.mark.parametrize("value", [1e4, -1e4, 3e38, np.inf])
def test_no_code_makes_a_size_that_overflows(value):
    codes = np.full((len(ANCHORS), 4), value, np.float32)
    codes[:, :2] = 0
    with np.errstate(all="raise"):
        assert np.isfinite(decode(codes, ANCHORS, DETECTION)).all()


def test_nan_stays_nan():
    codes = np.zeros((len(ANCHORS), 4), np.float32)
    codes[7, 3] = np.nan
    assert np.isnan(decode(codes, ANCHORS, DETECTION)).any(1).nonzero()[0].tolist() == [7]


def test_box_without_area_has_a_finite_code():
    flat = np.tile(np.float32([0.5, 0.5, 0.5, 0.4]), (len(ANCHORS), 1))
    with np.errstate(all="raise"):
        assert np.isfinite(encode(flat, ANCHORS, DETECTION)).all()


def test_centres_undo_corners(boxes):
    np.testing.assert_allclose(corners(centres(boxes)), boxes, atol=1e-6)


@pytest.mark.parametrize("given", [np.zeros((5, 4)), np.zeros((len(ANCHORS), 3)), np.zeros(4)], ids=["5", "3", "flat"])
def test_codes_that_do_not_fit_the_anchors_are_refused(given):
    with pytest.raises(ShapeError, match=r"codes have shape .*; \(…, 1917, 4\) is required, one for each anchor"):
        decode(given, ANCHORS, DETECTION)


def test_boxes_that_do_not_fit_the_anchors_are_refused():
    with pytest.raises(ShapeError, match=r"boxes have shape \(2, 4\); \(…, 1917, 4\) is required"):
        encode(np.zeros((2, 4)), ANCHORS, DETECTION)
