"""Picture with mask → training picture with mask. All that is random follows from one seed."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..data.masked import IGNORED
from ..image import Pixels
from .box_augmentation import distortion
from .recipe import Recipe, Stage

_LARGEST_SHARE, _TRIES = 0.75, 10  # of one class in a part that is cut out; parts that are drawn for that

Mask = NDArray[np.uint8]


class _Window(NamedTuple):
    """The part of an enlarged picture that is learnt.

    Attributes:
        side: of the enlarged picture, which is squeezed to a square as a segmenter sees it.
        left: of the part, in its pixels; below 0 where the part is larger.
        top: the same.
        size: of the part.
    """

    side: int
    left: int
    top: int
    size: int


def augment_mask(
    pixels: Pixels, mask: Mask, seed: int, recipe: Recipe, stage: Stage, fill: tuple[int, ...]
) -> tuple[Pixels, Mask]:
    """Enlarge or shrink a picture, cut a part out, turn, flip and distort it, its mask with it.

    Args:
        pixels: uint8 (H, W, 3).
        mask: uint8 (H, W); 255: ignored.
        seed: of every choice.
        recipe: says what is done; a factor of 1 is the size that the network sees in a test.
        stage: gives size and strength.
        fill: colour of what lies outside the picture; in the mask that is ignored.

    Returns:
        uint8 (size, size, 3) and (size, size). No class has more than three quarters of the part, where one of ten
        draws allows it.

    Source: the steps of DeepLab's training (arXiv 1706.05587, section 4.1); the three quarters: ml-cvnets,
    ``seg_class_max_ratio``.
    """
    generator = np.random.default_rng(seed)
    low, high = (1 + (factor - 1) * stage.strength for factor in recipe.zoom)
    side = max(1, round((recipe.test_size or recipe.size) * generator.uniform(low, high)))
    window, target = _draw(Image.fromarray(mask), side, stage.size, generator)
    picture = _cut(Image.fromarray(pixels), window, Image.Resampling.BILINEAR, fill)
    if recipe.rotation and stage.strength:
        angle = generator.uniform(-1, 1) * recipe.rotation * stage.strength
        picture = picture.rotate(angle, Image.Resampling.BILINEAR, fillcolor=fill)
        target = target.rotate(angle, Image.Resampling.NEAREST, fillcolor=IGNORED)
    if generator.random() < 0.5:
        picture, target = (one.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for one in (picture, target))
    strength = recipe.photometric * stage.strength
    if strength:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            picture = distortion(strength)(picture)
    return _noisy(np.asarray(picture), recipe.noise * stage.strength, generator), np.asarray(target)


def _noisy(pixels: Pixels, most: float, generator: np.random.Generator) -> Pixels:
    """Add normal noise whose deviation is drawn from 0 to a share of the range of the bytes."""
    if not most:
        return pixels
    noise = generator.normal(0, 255 * generator.uniform(0, most), pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def _draw(mask: Image.Image, side: int, size: int, generator: np.random.Generator) -> tuple[_Window, Image.Image]:
    """Draw the part, and cut it out of the mask."""
    for _ in range(_TRIES):
        spare = side - size
        left, top = generator.integers(min(0, spare), max(0, spare), size=2, endpoint=True).tolist()
        window = _Window(side, left, top, size)
        target = _cut(mask, window, Image.Resampling.NEAREST, IGNORED)
        counts = np.bincount(np.asarray(target).reshape(-1), minlength=256)[:IGNORED]
        if 0 < counts.max() <= _LARGEST_SHARE * counts.sum():
            break
    return window, target


def _cut(image: Image.Image, window: _Window, filter_: Image.Resampling, fill: Any) -> Image.Image:
    """Enlarge what is needed of a picture, and lay it on a page where that does not fill the window."""
    side, size = window.side, window.size
    x, y = max(window.left, 0), max(window.top, 0)
    right, bottom = min(window.left + size, side), min(window.top + size, side)
    across, down = image.width / side, image.height / side
    box = (x * across, y * down, min(right * across, image.width), min(bottom * down, image.height))
    part = image.resize((right - x, bottom - y), filter_, box=box)
    if part.size == (size, size):
        return part
    page = Image.new(image.mode, (size, size), fill)
    page.paste(part, (x - window.left, y - window.top))
    return page
