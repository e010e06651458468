"""Atrous spatial pyramid pooling: a map seen through windows of several sizes, up to the whole picture."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .separable import SeparableConv


class ASPP(nn.Module):
    """The mean of the map, a 1x1 convolution and dilated 3x3 convolutions side by side, then mixed.

    Args:
        in_channels: channels I.
        channels: channels O of every branch and of the output.
        make: makes a conv-norm-activation block, for example `ConvNormAct`.
        rates: dilations of the 3x3 branches; () for the light head, which has none.
        separable: the 3x3 branches are a depthwise and a pointwise convolution.
        dropout: share of the output that training leaves out.

    Source: Chen et al. (arXiv 1706.05587), section 3.3; tensorflow/models, research/deeplab/model.py, where the mean
    stands first among the branches.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        make: Callable[..., nn.Module],
        *,
        rates: Sequence[int] = (),
        separable: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.pool = make(in_channels, channels, 1)
        dilated = (filtered(in_channels, channels, make, dilation=rate, separable=separable) for rate in rates)
        self.branches = nn.ModuleList([make(in_channels, channels, 1), *dilated])
        self.project = make(channels * (1 + len(self.branches)), channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, I, h, w) to (N, O, h, w)."""
        mean = self.pool(x.mean((2, 3), keepdim=True))  # (N, O, 1, 1)
        seen = [F.interpolate(mean, size=x.shape[2:]), *(branch(x) for branch in self.branches)]  # (N, O, h, w) each
        y: Tensor = self.dropout(self.project(torch.cat(seen, 1)))
        return y


class Separable3x3(SeparableConv):
    """A `SeparableConv` of which only the output is wanted."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Map (N, I, H, W) to (N, O, H, W)."""
        return super().forward(x).output


def filtered(
    in_channels: int, channels: int, make: Callable[..., nn.Module], *, dilation: int = 1, separable: bool = False
) -> nn.Module:
    """Make a 3x3 convolution block, dense or separable."""
    if separable:
        return Separable3x3(in_channels, channels, make, dilation=dilation)
    return make(in_channels, channels, 3, dilation=dilation)
