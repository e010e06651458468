"""The loss of a segmenter: how wrong the class of each pixel is, and how little the areas overlap."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.masked import IGNORED


def pixel_losses(logits: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float, hardest: float) -> Tensor:
    """Return the cross entropy of each picture (N,): the mean over its pixels, 0 where all are ignored.

    Args:
        logits: (N, classes, H, W), float32.
        targets: (N, H, W) int64; 255: ignored.
        weights: (classes,) of the classes; None: all 1.
        smoothing: share of the target spread over all classes.
        hardest: share of a picture's pixels that count, the worst first; 1: all.

    Source: of the share, tensorflow/models, research/deeplab, ``top_k_percent_pixels``.
    """
    losses = F.cross_entropy(
        logits, targets, weights, ignore_index=IGNORED, reduction="none", label_smoothing=smoothing
    )
    counted = (targets != IGNORED).flatten(1)  # (N, H * W)
    if hardest == 1:
        return losses.flatten(1).sum(1) / counted.sum(1).clamp(min=1)
    most = (counted.sum(1) * hardest).ceil().long().clamp(min=1)  # (N,)
    ignored_last = losses.flatten(1).masked_fill(~counted, -torch.inf)
    worst = [row.topk(int(k)).values for row, k in zip(ignored_last, most, strict=True)]
    return torch.stack([row.clamp(min=0).mean() for row in worst])


def dice_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Return how little the areas of each picture overlap (N,), from 0 to 1: one minus the mean over its classes.

    Args:
        logits: (N, classes, H, W), float32.
        targets: (N, H, W) int64; 255: ignored.

    Source: Milletari et al. (arXiv 1606.04797), section 3, with plain sums below the fraction.
    """
    counted = (targets != IGNORED)[:, None]  # (N, 1, H, W)
    wanted = F.one_hot(targets.masked_fill(targets == IGNORED, 0), logits.shape[1]).movedim(3, 1) * counted
    shares = logits.softmax(1) * counted
    overlap, both = (shares * wanted).sum((2, 3)), (shares + wanted).sum((2, 3))  # (N, classes)
    there = wanted.any(3).any(2)
    dice = (2 * overlap / both.clamp(min=1e-6) * there).sum(1) / there.sum(1).clamp(min=1)
    return (1 - dice) * there.any(1)
