"""The loss of a single-shot detector: how far the boxes are off, how wrong the classes; on the hardest background."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..spec import DetectionSpec

NOTHING = -1.0  # class of an anchor without an object


def detection_loss(
    codes: Tensor, logits: Tensor, targets: Tensor, detection: DetectionSpec, negatives: float
) -> tuple[Tensor, Tensor]:
    """Return the losses of the pictures of a batch, summed.

    Args:
        codes: (N, A, 4), what the network says of the boxes.
        logits: (N, A, classes), with the output for "no object" where `detection` has one.
        targets: (N, A, 5): the right codes, and the class id, `NOTHING` for background.
        detection: says which output is which class.
        negatives: background anchors that count for each anchor with an object, the worst first.

    Returns:
        Loss of the boxes (smooth L1) and of the classes (cross entropy: softmax's, or the sum of sigmoids'), each
        divided by the number of anchors with an object in its picture, so that no picture depends on the others.

    Source: Liu et al. (arXiv 1512.02325), section 2.2; divided by picture as in the SSD of MLPerf.
    """
    codes, logits = codes.float(), logits.float()
    positive = targets[..., 4] >= 0  # (N, A)
    count = positive.sum(dim=1).clamp(min=1)  # (N,)
    off = F.smooth_l1_loss(codes, targets[..., :4], reduction="none").sum(dim=2)  # (N, A)
    wrong = _class_losses(logits, targets[..., 4].long(), detection)  # (N, A)
    counted = positive | _hardest(wrong.detach(), positive, count, negatives)
    return (
        ((off * positive).sum(dim=1) / count).sum(),
        ((wrong * counted).sum(dim=1) / count).sum(),
    )


def _class_losses(logits: Tensor, ids: Tensor, detection: DetectionSpec) -> Tensor:
    """Return the loss of every anchor (N, A)."""
    background = detection.background
    index = ids if background is None else ids + (ids >= background)  # outputs behind the background's come one later
    if detection.activation == "softmax":
        assert background is not None, "softmax has an output for no object"
        index = torch.where(ids < 0, background, index)
        return F.cross_entropy(logits.transpose(1, 2), index, reduction="none")
    wanted = F.one_hot(index.clamp(min=0), logits.shape[2]) * (ids >= 0)[..., None]
    if background is not None:  # its sigmoid is never read
        logits, wanted = (torch.cat([v[..., :background], v[..., background + 1 :]], dim=2) for v in (logits, wanted))
    return F.binary_cross_entropy_with_logits(logits, wanted.float(), reduction="none").sum(dim=2)


def _hardest(wrong: Tensor, positive: Tensor, count: Tensor, negatives: float) -> Tensor:
    """Return the mask (N, A) of the background anchors with the greatest losses."""
    ranked = torch.where(positive, -torch.inf, wrong).argsort(dim=1, descending=True, stable=True)
    rank = ranked.argsort(dim=1)
    most = (negatives * count).floor().long()[:, None]
    return (rank < most) & ~positive
