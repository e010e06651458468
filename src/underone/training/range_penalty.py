"""How far the channels of folded weights lie apart, as a loss: a network that learns with it is born quantisable.

Folding adds up branches, each scaled by its batch norm, so that single channels become far wider than the others; what
they give then shares a range with the others. Ding et al. describe it for RepVGG (arXiv 2101.03697, section 5), Chu et
al. what it costs in int8 (arXiv 2212.01593).
"""

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import BadValue

_NARROWEST = 64.0  # times less than the widest channel: a channel that is nearly dead stays so


def channels_apart(model: nn.Module) -> Tensor:
    """Return how far the logarithms of the channels' largest folded weights lie from the mean of their block.

    The factors of the batch norms get gradients, the weights of the convolutions none: what these grow by, the
    statistics that follow them divide by.

    Args:
        model: in training form; blocks with a method ``folded_kernel`` count, with the running statistics as they are.

    Returns:
        The sum of squares over all channels, a scalar in float64 on the CPU.

    Raises:
        BadValue: the network has no such block.
    """
    blocks: list[Any] = [module for module in model.modules() if hasattr(module, "folded_kernel")]
    kernels = [block.folded_kernel() for block in blocks]
    if not kernels:
        raise BadValue("range_penalty is for networks whose blocks fold; this one has none: leave it out")
    return torch.stack([_apart(kernel.weight) for kernel in kernels]).sum()


def _apart(weight: Tensor) -> Tensor:
    largest = weight.abs().flatten(1).amax(1)  # (O,)
    logs = largest.clamp(min=float(largest.detach().max()) / _NARROWEST).log()
    return (logs - logs.mean()).square().sum()
