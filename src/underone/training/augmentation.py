"""Picture → training tensor: random crop, flip, policy. All that is random follows from one seed."""

import math
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from ..image.resample import resize_bytes
from .decoding import Encoded, Part
from .recipe import Recipe, Stage

_LOG_RATIOS = math.log(3 / 4), math.log(4 / 3)


def augment(picture: Encoded, seed: int, recipe: Recipe, stage: Stage, out: NDArray[np.uint8]) -> None:
    """Crop, flip and distort a picture.

    Args:
        picture: of any size.
        seed: of every choice.
        recipe: gives smallest crop and policy.
        stage: gives size and strength.
        out: uint8 (3, size, size), is filled with what torchvision's own functions make of the same crop, bit for
            bit, but where a large JPEG file was decoded at a part of its size.

    Raises:
        BadFile: the picture is damaged.
    """
    generator = Random(seed)  # the draws of torch's would take a tenth of a thumbnail's time
    box = draw_crop(picture.size, recipe.min_scale, generator)
    mirrored = generator.random() < 0.5
    resize_bytes(picture.cut(box, stage.size), mirrored, out)
    if recipe.policy == "none":
        return
    with torch.random.fork_rng(devices=[]):  # the policies draw from the global state
        torch.manual_seed(seed)
        whole = Image.fromarray(out.transpose(1, 2, 0))  # (3, H, W) → (H, W, 3)
        out[...] = np.asarray(_policy(recipe.policy, stage.strength)(whole)).transpose(2, 0, 1)


def draw_crop(size: tuple[int, int], min_scale: float, generator: Random) -> Part:
    """Draw a part of a picture: its share of the area evenly, its aspect ratio evenly on a log scale from 3/4 to 4/3.

    Source: Szegedy et al. (arXiv 1409.4842), section 6.
    """
    height, width = size
    for _ in range(10):
        area = height * width * generator.uniform(min_scale, 1.0)
        ratio = math.exp(generator.uniform(*_LOG_RATIOS))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return Part(generator.randint(0, height - h), generator.randint(0, width - w), h, w)
    w, h = min(width, round(height * 4 / 3)), min(height, round(width / 0.75))  # as much as the ratios allow
    return Part((height - h) // 2, (width - w) // 2, h, w)


class ScaledAutoAugment(v2.AutoAugment):  # type: ignore[misc]  # torchvision is not typed
    """AutoAugment's ImageNet policy with all magnitudes times a factor.

    Args:
        strength: 0 to 1.

    Source: Cubuk et al. (arXiv 1805.09501); the factor: Vasu et al., CVPR 2023, supplementary.
    """

    def __init__(self, strength: float) -> None:
        super().__init__()
        self._policies: list[tuple[tuple[str, float, int | None], ...]] = [
            tuple((name, p, None if bin_ is None else round(bin_ * strength)) for name, p, bin_ in pair)
            for pair in self._policies
        ]


_POLICIES: dict[str, Any] = {
    "autoaugment": ScaledAutoAugment,
    "randaugment": lambda strength: v2.RandAugment(num_ops=2, magnitude=round(9 * strength)),
}


@lru_cache(maxsize=32)
def _policy(name: str, strength: float) -> Any:
    return _POLICIES[name](strength)


def mix(images: Tensor, targets: Tensor, recipe: Recipe, seed: int) -> tuple[Tensor, Tensor]:
    """Blend the pictures of a batch in pairs, and their targets alike: mixup or cutmix, by the recipe.

    Args:
        images: float (N, 3, H, W).
        targets: float (N, classes), each row sums to 1.
        recipe: gives the alphas; with both, a coin decides.
        seed: of the step.
    """
    kinds = [name for name, alpha in (("mixup", recipe.mixup), ("cutmix", recipe.cutmix)) if alpha > 0]
    if not kinds:
        return images, targets
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        kind = kinds[int(torch.randint(len(kinds), ()))]
        alpha = recipe.mixup if kind == "mixup" else recipe.cutmix
        share = float(torch.distributions.Beta(alpha, alpha).sample())
        top, left, bottom, right = _box(images.shape[-2:], share)
    other, other_targets = images.roll(1, 0), targets.roll(1, 0)
    if kind == "mixup":
        return images.lerp(other, 1 - share), targets.lerp(other_targets, 1 - share)
    images = images.clone()
    images[:, :, top:bottom, left:right] = other[:, :, top:bottom, left:right]
    covered = (bottom - top) * (right - left) / (images.shape[-2] * images.shape[-1])
    return images, targets.lerp(other_targets, covered)


def _box(size: torch.Size, share: float) -> tuple[int, int, int, int]:
    """Draw a rectangle that covers 1 - share of the picture, cut at its border (Yun et al., arXiv 1905.04899)."""
    height, width = size
    y, x = int(torch.randint(height, ())), int(torch.randint(width, ()))
    half = 0.5 * (1 - share) ** 0.5
    top, bottom = max(0, round(y - half * height)), min(height, round(y + half * height))
    return top, max(0, round(x - half * width)), bottom, min(width, round(x + half * width))
