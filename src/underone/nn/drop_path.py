"""Stochastic depth: while a network trains, some pictures go past a block by its skip alone."""

import torch
from torch import Tensor, nn

from ..errors import BadValue


def drop_path(y: Tensor, share: float) -> Tensor:
    """Leave out what a block gives for some pictures; enlarge it for the others, so that its mean stays.

    Args:
        y: (N, C, H, W), before the skip is added.
        share: of the pictures that go past the block, 0 <= share < 1; each is drawn for itself.

    Source: Huang et al. (arXiv 1603.09382), section 3.
    """
    kept = torch.rand(len(y), 1, 1, 1, device=y.device) >= share
    return y * (kept / (1 - share)).to(y.dtype)


def set_drop_path(model: nn.Module, share: float) -> None:
    """Let blocks with a skip be passed by in training: the last one by `share`, those before it by less, linearly.

    Args:
        model: whose blocks say by ``adds_input`` that they have a skip.
        share: of the pictures, 0 <= share < 1.

    Raises:
        BadValue: no block has one.

    Source: Huang et al. (arXiv 1603.09382), equation 4.
    """
    blocks = [module for module in model.modules() if getattr(module, "adds_input", False)]
    if not blocks:
        raise BadValue(f"drop_path={share}: no block of this network has a skip, as MobileNet V2's have; 0 is required")
    for number, block in enumerate(blocks, 1):
        block.drop_path = share * number / len(blocks)  # type: ignore[assignment]
