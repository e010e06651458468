"""The depthwise separable convolution of MobileNet V1: filter each channel, then mix the channels."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn


class Separated(NamedTuple):
    """What a separable convolution gives.

    Attributes:
        output: (N, O, H', W').
        depthwise: (N, I, H', W'), between its two convolutions.
    """

    output: Tensor
    depthwise: Tensor


class SeparableConv(nn.Module):
    """3x3 depthwise, 1x1 pointwise, each with batch norm and activation.

    Args:
        in_channels: channels I.
        out_channels: channels O.
        make: makes a conv-norm-activation block, for example `ConvNormAct`.
        stride: of the depthwise convolution.
        dilation: of the depthwise convolution.

    Source: Howard et al. (arXiv 1704.04861), figure 3.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        make: Callable[..., nn.Module],
        *,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.depthwise = make(in_channels, in_channels, 3, stride=stride, dilation=dilation, groups=in_channels)
        self.pointwise = make(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Separated:
        """Map (N, I, H, W) to the output and the map inside."""
        filtered = self.depthwise(x)
        return Separated(self.pointwise(filtered), filtered)
