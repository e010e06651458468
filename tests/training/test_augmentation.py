"""Augmentation follows from its seed, and does what torchvision's own does."""

from io import BytesIO
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop, v2

from underone.training import RECIPES, Recipe
from underone.training.augmentation import ScaledAutoAugment, augment, draw_crop, mix
from underone.training.decoding import Encoded
from underone.training.recipe import Stage

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


def _file(pixels, kind="PNG", **options):
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


PICTURE = Encoded(_file(PIXELS))


def augmented(picture, seed, recipe, stage):
    out = np.empty((3, stage.size, stage.size), np.uint8)
    augment(picture, seed, recipe, stage, out)
    return torch.from_numpy(out)


@pytest.mark.parametrize("policy", ["none", "autoaugment", "randaugment"])
@pytest.mark.parametrize("shape", [(60, 80), (20, 90), (97, 31)])
def test_crop_flip_and_policy_are_torchvisions(policy, shape):
    pixels = np.resize(PIXELS, (*shape, 3))
    recipe = Recipe(name="r", min_scale=0.3, policy=policy)
    own = {"none": v2.Identity(), "autoaugment": v2.AutoAugment(), "randaugment": v2.RandAugment()}[policy]
    for seed in range(8):
        generator = Random(seed)
        cropped = v2.functional.resized_crop(Image.fromarray(pixels), *draw_crop(shape, 0.3, generator), [32, 32])
        flipped = v2.functional.hflip(cropped) if generator.random() < 0.5 else cropped
        torch.manual_seed(seed)
        expected = v2.functional.pil_to_tensor(own(flipped))
        assert torch.equal(augmented(Encoded(_file(pixels)), seed, recipe, Stage(until=1, size=32)), expected)


@pytest.mark.parametrize("shape", [(60, 80), (20, 90), (97, 31)])
def test_crops_are_spread_as_torchvisions(shape):
    torch.manual_seed(0)
    picture, generator = torch.empty(3, *shape), Random(0)
    theirs = [RandomResizedCrop.get_params(picture, [0.3, 1.0], [3 / 4, 4 / 3]) for _ in range(3000)]
    ours = [draw_crop(shape, 0.3, generator) for _ in range(3000)]
    for sides in zip(*np.array([ours, theirs]).transpose(0, 2, 1), strict=True):  # two samples of one side
        steps = np.arange(98)
        shares = [np.searchsorted(np.sort(sample), steps, "right") / 3000 for sample in sides]
        # the 99.9 % point of Kolmogorov and Smirnov's statistic for two samples
        assert np.abs(shares[0] - shares[1]).max() < 1.95 * (2 / 3000) ** 0.5


@pytest.mark.parametrize("policy", ["none", "autoaugment", "randaugment"])
def test_same_seed_gives_the_same_picture_and_leaves_the_generator_alone(policy):
    recipe, stage = Recipe(name="r", policy=policy), Stage(until=1, size=32)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = [augmented(PICTURE, seed, recipe, stage) for seed in range(6)]
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(augmented(PICTURE, seed, recipe, stage), first[seed]) for seed in range(6))
    assert len({picture.numpy().tobytes() for picture in first}) == 6
    assert first[0].shape == (3, 32, 32)


def test_strength_scales_the_policys_magnitudes():
    whole, half, none = (ScaledAutoAugment(strength)._policies for strength in (1.0, 0.5, 0.0))
    assert whole == list(v2.AutoAugment()._policies)
    bins = [[op[2] for pair in policies for op in pair if op[2] is not None] for policies in (whole, half, none)]
    assert bins[1] == [round(b / 2) for b in bins[0]]
    assert set(bins[2]) == {0}


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_blended_targets_say_what_the_pictures_hold(kind):
    images = torch.stack([torch.full((3, 16, 16), float(i)) for i in range(4)])
    targets = torch.eye(4)
    recipe = RECIPES["finetune"].changed(**{kind: 1.0})
    for seed in range(20):
        mixed, smooth = mix(images, targets, recipe, seed)
        assert torch.allclose(smooth.sum(1), torch.ones(4))
        # a picture's mean is its own number and its neighbour's, in the shares of the target
        assert torch.allclose(mixed.mean((1, 2, 3)), smooth @ torch.arange(4.0), atol=1e-5)
    assert torch.equal(images, torch.stack([torch.full((3, 16, 16), float(i)) for i in range(4)]))


def test_without_alphas_nothing_is_blended():
    images, targets = torch.rand(2, 3, 8, 8), torch.eye(2)
    assert mix(images, targets, RECIPES["finetune"], 0) == (images, targets)
