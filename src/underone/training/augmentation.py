"""Picture → training tensor: random crop, flip, policy. All that is random follows from one seed."""

from functools import lru_cache
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from ..image import Pixels
from .recipe import Recipe, Stage


def augment(pixels: Pixels, seed: int, recipe: Recipe, stage: Stage) -> Tensor:
    """Crop, flip and distort a picture.

    Args:
        pixels: uint8 (H, W, 3).
        seed: of every choice.
        recipe: gives smallest crop and policy.
        stage: gives size and strength.

    Returns:
        uint8 (3, size, size).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        picture = _transform(stage.size, recipe.min_scale, recipe.policy, stage.strength)(Image.fromarray(pixels))
        tensor: Tensor = v2.functional.pil_to_tensor(picture)
    return tensor


@lru_cache(maxsize=32)
def _transform(size: int, min_scale: float, policy: str, strength: float) -> v2.Compose:
    crop = v2.RandomResizedCrop(size, scale=(min_scale, 1.0), antialias=True)
    return v2.Compose([crop, v2.RandomHorizontalFlip(), *_POLICIES[policy](strength)])


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
    "none": lambda strength: [],  # noqa: ARG005
    "autoaugment": lambda strength: [ScaledAutoAugment(strength)],
    "randaugment": lambda strength: [v2.RandAugment(num_ops=2, magnitude=round(9 * strength))],
}


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
