"""The inverted residual of MobileNet V2: widen, filter each channel, narrow."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn


class Expanded(NamedTuple):
    """What an inverted residual gives: its output, and the wide map inside it that detectors read."""

    output: Tensor
    expansion: Tensor


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise, linear 1x1 projection; the input is added when the shape stays.

    Args:
        in_channels: channels I.
        out_channels: channels O.
        expand_ratio: the wide map has expand_ratio * I channels; 1: no expansion, the map is the input itself.
        make: makes a conv-norm-activation block, for example `ConvNormAct`.
        stride: of the depthwise convolution.
        dilation: of the depthwise convolution.

    Source: Sandler et al. (arXiv 1801.04381), table 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expand_ratio: int,
        make: Callable[..., nn.Module],
        *,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        wide = in_channels * expand_ratio
        self.adds_input = stride == 1 and in_channels == out_channels
        self.expand = make(in_channels, wide, 1) if expand_ratio > 1 else None
        self.depthwise = make(wide, wide, 3, stride=stride, dilation=dilation, groups=wide)
        self.project = make(wide, out_channels, 1, activation=nn.Identity)

    def forward(self, x: Tensor) -> Expanded:
        """Map (N, I, H, W) to the output (N, O, H', W') and the expansion (N, expand_ratio * I, H, W)."""
        wide = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(wide))
        return Expanded(x + y if self.adds_input else y, wide)
