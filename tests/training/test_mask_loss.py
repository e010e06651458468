"""The loss of segmenters against torch's own cross entropy, and by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from underone.training.mask_loss import dice_losses, pixel_losses


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Three pictures of four classes; of the second half the pixels are ignored, of the third all."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn((3, 4, 6, 8), generator=generator)
    targets = torch.randint(0, 4, (3, 6, 8), generator=generator)
    targets[1, :3] = 255
    targets[2] = 255
    return logits, targets


def test_all_pixels_give_the_mean_of_each_picture(batch):
    logits, targets = batch
    found = pixel_losses(logits, targets, None, 0.0, 1.0)
    wanted = [F.cross_entropy(logits[i : i + 1], targets[i : i + 1], ignore_index=255) for i in (0, 1)]
    torch.testing.assert_close(found, torch.stack([*wanted, torch.zeros(())]))


def test_the_hardest_share_are_the_largest_losses_of_what_counts(batch):
    logits, targets = batch
    found = pixel_losses(logits, targets, None, 0.0, 0.25)
    losses = F.cross_entropy(logits, targets, ignore_index=255, reduction="none").flatten(1).numpy()
    wanted = [np.sort(losses[0])[-12:].mean(), np.sort(losses[1])[-6:].mean(), 0]  # a quarter of 48 and of 24
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6)


def test_weights_of_classes_and_smoothing_are_torchs(batch):
    logits, targets = batch[0][:1], batch[1][:1]
    weights = torch.tensor([0.2, 1.0, 3.0, 0.5])
    found = pixel_losses(logits, targets, weights, 0.1, 1.0)
    every = F.cross_entropy(logits, targets, weights, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(found[0], every.mean())


def test_overlap_by_hand():
    even = torch.zeros((1, 2, 1, 4))  # every class has half of every pixel
    targets = torch.tensor([[[0, 0, 1, 255]]])
    # of class 0: overlap 1 of (1.5 said + 2 wanted); of class 1: 0.5 of (1.5 + 1)
    dice = (2 * 1 / 3.5 + 2 * 0.5 / 2.5) / 2
    assert dice_losses(even, targets).tolist() == pytest.approx([1 - dice])


def test_overlap_is_all_where_the_answer_is_right_and_0_where_nothing_counts(batch):
    _, targets = batch
    sure = 100.0 * F.one_hot(targets.clamp(max=3), 4).movedim(3, 1).float()
    assert dice_losses(sure, targets).tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    assert dice_losses(sure.roll(1, 1), targets).tolist() == pytest.approx([1, 1, 0], abs=1e-6)


def test_classes_that_a_picture_has_not_are_in_no_mean():
    targets = torch.zeros((1, 2, 2), dtype=torch.int64)
    two, many = torch.zeros((1, 2, 2, 2)), torch.full((1, 9, 2, 2), -99.0)
    many[:, :2] = 0
    assert dice_losses(two, targets).tolist() == pytest.approx(dice_losses(many, targets).tolist())


@pytest.mark.parametrize("hardest", [1.0, 0.5])
def test_a_picture_without_a_class_gives_no_gradient(hardest):
    logits = torch.randn((1, 3, 2, 2), requires_grad=True)
    targets = torch.full((1, 2, 2), 255)
    (pixel_losses(logits, targets, None, 0.0, hardest) + dice_losses(logits, targets)).sum().backward()
    assert logits.grad.abs().sum() == 0
