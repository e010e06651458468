"""ExpandNet's convolution (ExpandNet-CL): a product of three, 1x1, KxK and 1x1, with more channels between them.

Source: Guo et al., ExpandNets (arXiv 1811.10495), and the authors' code: four times the channels, a depthwise
convolution is expanded within each channel, a 1x1 convolution stays as it is.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from .conv_norm import ConvNorm
from .folding import Kernel, compose_weights, exact, normalized_kernel
from .parallel_block import Place

EXPANSION = 4


def expandnet_branches(place: Place) -> list[nn.Module]:
    """Make the one expanded convolution; of a 1x1 place the plain one."""
    return [ConvNorm(place.conv()) if place.kernel_size == 1 else _ExpandedNorm(place)]


class _ExpandedNorm(nn.Module):
    """Three convolutions without anything between them, then batch norm.

    Their product is calculated before the input is seen: the same but for rounding, and nearly as cheap as one.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        first, last = EXPANSION * place.in_channels, EXPANSION * place.out_channels
        self.place = place
        self.conv = nn.Conv2d(place.in_channels, first, 1, groups=place.groups, bias=False)
        self.window = nn.Conv2d(first, last, place.kernel_size, groups=place.groups, bias=False)
        self.reduce = nn.Conv2d(last, place.out_channels, 1, groups=place.groups, bias=False)
        self.bn = nn.BatchNorm2d(place.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, H', W')."""
        place = self.place
        weight = self._product(self.conv.weight, self.window.weight, self.reduce.weight)
        margin = place.dilation * (place.kernel_size // 2)
        y: Tensor = self.bn(F.conv2d(x, weight, None, place.stride, margin, place.dilation, place.groups))
        return y

    def kernel(self, size: int) -> Kernel:  # noqa: ARG002  the size of the place
        """Return what it folds into."""
        weights = (exact(conv.weight) for conv in (self.conv, self.window, self.reduce))
        return normalized_kernel(self._product(*weights), self.bn)

    def _product(self, expand: Tensor, window: Tensor, reduce: Tensor) -> Tensor:
        """Return the weight (O, I/groups, K, K) of all three."""
        groups = self.place.groups
        return compose_weights(compose_weights(expand, window, groups), reduce, groups)
