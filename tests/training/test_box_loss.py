"""The loss of detectors against torchvision's SSD and by hand."""

import math

import numpy as np
import pytest
import torch
from torchvision.models.detection.ssd import SSD

from underone.boxes import anchor_boxes
from underone.boxes.families import torchvision_ssd
from underone.spec import DetectionSpec
from underone.training.box_loss import NOTHING, detection_loss
from underone.training.detection import BoxSampler
from underone.training.recipe import Recipe, Stage

CLASSES = 5  # with the background


@pytest.fixture
def softmax() -> DetectionSpec:
    return DetectionSpec(anchors=torchvision_ssd([(6, 6), (3, 3)], ((2.0,), (2.0,)), (0.2, 0.5, 0.9)))


def batch(spec: DetectionSpec, pictures: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    count = spec.anchor_count
    targets = torch.randn((pictures, count, 5), generator=generator)
    positive = torch.rand((pictures, count), generator=generator) < 0.1
    ids = torch.randint(0, CLASSES - 1, (pictures, count), generator=generator)
    targets[..., 4] = torch.where(positive, ids, NOTHING)
    codes = torch.randn((pictures, count, 4), generator=generator)
    return codes, 3 * torch.randn((pictures, count, CLASSES), generator=generator), targets


@pytest.mark.parametrize("seed", range(3))
def test_loss_of_one_picture_is_that_of_torchvision(softmax, seed):
    """Theirs matches by itself: the boxes of our positive anchors are given with those anchors as their matches."""
    codes, logits, targets = batch(softmax, 1, seed)
    ours = detection_loss(codes, logits, targets, softmax, 3.0)

    class Coder:
        def encode_single(self, boxes: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
            return targets[0, :, :4][targets[0, :, 4] >= 0]

    ssd = SSD.__new__(SSD)
    torch.nn.Module.__init__(ssd)
    ssd.box_coder, ssd.neg_to_pos_ratio = Coder(), 3.0
    positive = targets[0, :, 4] >= 0
    matched = torch.where(positive, torch.cumsum(positive, 0) - 1, -1)
    count = int(positive.sum())
    labels = targets[0, positive, 4].long() + 1
    theirs = ssd.compute_loss(
        [{"boxes": torch.zeros((count, 4)), "labels": labels}],
        {"bbox_regression": codes, "cls_logits": logits},
        [torch.zeros((softmax.anchor_count, 4))],
        [matched],
    )
    assert float(ours[0]) == pytest.approx(float(theirs["bbox_regression"]), rel=1e-5)
    assert float(ours[1]) == pytest.approx(float(theirs["classification"]), rel=1e-5)


def test_pictures_do_not_depend_on_each_other(softmax):
    codes, logits, targets = batch(softmax, 3)
    whole = torch.stack(detection_loss(codes, logits, targets, softmax, 3.0))
    parts = [detection_loss(codes[i : i + 1], logits[i : i + 1], targets[i : i + 1], softmax, 3.0) for i in range(3)]
    torch.testing.assert_close(whole, torch.stack([torch.stack(part) for part in parts]).sum(0))


def test_a_picture_without_objects_learns_its_hardest_background(softmax):
    codes, logits, targets = batch(softmax, 1)
    targets[..., 4] = NOTHING
    off, wrong = detection_loss(codes, logits, targets, softmax, 3.0)
    losses = -torch.log_softmax(logits[0], 1)[:, 0]
    assert float(off) == 0
    assert float(wrong) == pytest.approx(float(losses.sort(descending=True).values[:3].sum()), rel=1e-5)


def test_sigmoids_are_summed_and_the_background_is_not_read(softmax):
    spec = softmax.model_copy(update={"activation": "sigmoid"})
    codes, logits, targets = batch(spec, 1)
    targets[..., 4] = NOTHING
    targets[0, 7, 4] = 2  # the output of class 2 is column 3
    logits[..., 0] = 1e4
    _, wrong = detection_loss(codes, logits, targets, spec, 1.0)
    each = torch.nn.functional.softplus(logits[0, :, 1:]).sum(1)
    hardest = torch.cat([each[:7], each[8:]]).max()
    assert float(wrong) == pytest.approx(float(each[7] - logits[0, 7, 3] + hardest), rel=1e-5)


def test_without_a_background_output_the_ids_are_the_columns(softmax):
    spec = softmax.model_copy(update={"activation": "sigmoid", "background": None})
    codes, logits, targets = batch(spec, 1)
    targets[..., 4] = NOTHING
    targets[0, 0, 4] = CLASSES - 1
    logits[:] = -50.0
    logits[0, 0, CLASSES - 1] = 50.0
    assert float(detection_loss(codes, logits, targets, spec, 3.0)[1]) < 1e-9


def test_a_background_in_the_last_column_is_learnt(softmax):
    spec = softmax.model_copy(update={"background": CLASSES - 1})
    codes, logits, targets = batch(spec, 1)
    targets[..., 4] = NOTHING
    logits[:] = 0
    logits[..., CLASSES - 1] = 60.0
    assert float(detection_loss(codes, logits, targets, spec, 3.0)[1]) < 1e-9


def test_targets_decode_to_the_boxes(softmax):
    from underone.boxes import decode

    sampler = BoxSampler(Recipe(name="t"), Stage(until=1, size=64), softmax, (0, 0, 0))
    boxes = np.array([[0.1, 0.1, 0.4, 0.5], [0.5, 0.5, 0.95, 0.9], [0.8, 0.05, 0.83, 0.08]], np.float32)
    target = sampler.target(boxes, np.array([3, 1, 2]))
    anchors = anchor_boxes(softmax.anchors)
    positive = target[:, 4] >= 0
    found = decode(target[:, :4], anchors, softmax)[positive]
    wanted = boxes[[[3, 1, 2].index(int(i)) for i in target[positive, 4]]]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert set(target[positive, 4]) == {1, 2, 3}  # also the tiny one, which overlaps no anchor by half


def test_a_picture_without_boxes_has_only_background(softmax):
    sampler = BoxSampler(Recipe(name="t"), Stage(until=1, size=64), softmax, (0, 0, 0))
    target = sampler.target(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    assert (target[:, 4] == NOTHING).all()
    assert not math.isnan(target.sum())
