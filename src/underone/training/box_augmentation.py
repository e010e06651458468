"""Picture with boxes → training picture with boxes. All that is random follows from one seed."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from ..data.boxed import Boxes
from ..image import Pixels
from .recipe import Recipe, Stage

_OVERLAPS = [0.1, 0.3, 0.5, 0.7, 0.9, 2.0]  # of a crop with a box; 2: no crop; mmdetection: 0 is not among them
_SMALLEST = 1.0  # pixels; what is left of a box below that is dropped


def augment_boxes(
    pixels: Pixels, boxes: Boxes, seed: int, recipe: Recipe, stage: Stage, fill: tuple[int, ...]
) -> tuple[Pixels, NDArray[np.float32], NDArray[np.int64]]:
    """Grow, crop, flip and distort a picture, its boxes with it.

    Args:
        pixels: uint8 (H, W, 3).
        boxes: of the picture, in its pixels.
        seed: of every choice.
        recipe: says what is done.
        stage: gives size and strength.
        fill: colour of what lies outside the picture.

    Returns:
        uint8 (size, size, 3); boxes (n, 4) in its pixels; their class ids (n,). Boxes whose centre is cut off are gone.

    Source: Liu et al. (arXiv 1512.02325), section 2.2, in the order and with the figures of mmdetection's SSD.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transform = _transform(stage.size, stage.strength, recipe.expand, recipe.min_iou_crop, recipe.photometric, fill)
        corners = tv_tensors.BoundingBoxes(
            torch.from_numpy(boxes.corners),
            format="XYXY",
            canvas_size=pixels.shape[:2],
        )
        labels = torch.from_numpy(boxes.class_ids)
        picture, corners, labels = transform(Image.fromarray(pixels), corners, labels)
    return np.asarray(picture), corners.numpy(), labels.numpy()


@lru_cache(maxsize=32)
def _transform(
    size: int, strength: float, expand: float, crop: bool, photometric: float, fill: tuple[int, ...]
) -> v2.Compose:
    steps: list[Any] = []
    if expand > 1 and strength:
        steps.append(v2.RandomZoomOut(fill=fill, side_range=(1.0, 1 + (expand - 1) * strength), p=0.5))
    if crop:
        steps.append(v2.RandomIoUCrop(min_scale=0.3, sampler_options=_OVERLAPS))
    steps += [v2.Resize((size, size), antialias=True), v2.RandomHorizontalFlip()]
    if photometric and strength:
        steps.append(distortion(photometric * strength))
    steps.append(v2.SanitizeBoundingBoxes(min_size=_SMALLEST, labels_getter=lambda sample: sample[2]))
    return v2.Compose(steps)


@lru_cache(maxsize=32)
def distortion(strength: float) -> v2.Transform:
    """Return what changes brightness, contrast, saturation and hue, each half the time.

    Channels are not exchanged, as SSD does.

    Args:
        strength: 0 to 1.
    """
    jitters = (
        v2.ColorJitter(brightness=strength * 32 / 255),
        v2.ColorJitter(contrast=strength / 2),
        v2.ColorJitter(saturation=strength / 2),
        v2.ColorJitter(hue=strength * 0.05),
    )
    return v2.Compose([v2.RandomApply([jitter], p=0.5) for jitter in jitters])


def mosaic(
    parts: list[tuple[Pixels, Boxes]], generator: np.random.Generator, fill: tuple[int, ...]
) -> tuple[Pixels, Boxes]:
    """Put four pictures around a random point of one page.

    Args:
        parts: four pictures with their boxes.
        generator: draws the point.
        fill: colour of what stays free.

    Returns:
        The page, as large as the first picture, and the boxes on it; each quarter shows the corner of its picture that
        touches the point, at a scale where the picture fills it.

    Source: Bochkovskiy et al. (arXiv 2004.10934), section 3.4.
    """
    height, width = parts[0][0].shape[:2]
    x, y = (round(side * generator.uniform(0.3, 0.7)) for side in (width, height))
    page = np.empty((height, width, 3), np.uint8)
    page[:] = fill
    placed = []
    quarters = ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height))
    for (pixels, boxes), quarter in zip(parts, quarters, strict=True):
        placed.append(_place(page, pixels, boxes, quarter))
    return page, Boxes(*(np.concatenate(column) for column in zip(*placed, strict=True)))


def _place(page: Pixels, pixels: Pixels, boxes: Boxes, quarter: tuple[int, int, int, int]) -> Boxes:
    """Fill a quarter of the page (left, top, right, bottom) with a picture squeezed into it; return its boxes there."""
    left, top, right, bottom = quarter
    size = (right - left, bottom - top)
    page[top:bottom, left:right] = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    factor = np.array([size[0] / pixels.shape[1], size[1] / pixels.shape[0]] * 2, np.float32)
    corners = boxes.corners * factor + np.array([left, top, left, top], np.float32)
    return boxes._replace(corners=corners, areas=boxes.areas * factor[0] * factor[1])
