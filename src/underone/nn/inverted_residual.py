"""The inverted residual of MobileNet V2: widen, filter each channel, narrow."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from .drop_path import drop_path


class Expanded(NamedTuple):
    """What an inverted residual gives: its output, and the wide maps inside it that detectors read.

    Attributes:
        output: (N, O, H', W').
        expansion: (N, wide, H, W), before the depthwise convolution.
        depthwise: (N, wide, H', W'), after it.
    """

    output: Tensor
    expansion: Tensor
    depthwise: Tensor


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise, linear 1x1 projection; the input is added when the shape stays.

    Args:
        in_channels: channels I.
        out_channels: channels O.
        expand_ratio: the wide map has expand_ratio * I channels; 1: no expansion, the map is the input itself.
        make: makes a conv-norm-activation block, for example `ConvNormAct`.
        kernel_size: of the depthwise convolution.
        stride: of the depthwise convolution.
        dilation: of the depthwise convolution.

    Attributes:
        adds_input: whether it has a skip.
        drop_path: share of the pictures that go past it in training, by the skip; see `set_drop_path`.

    Source: Sandler et al. (arXiv 1801.04381), table 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expand_ratio: int,
        make: Callable[..., nn.Module],
        *,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        wide = in_channels * expand_ratio
        self.adds_input = stride == 1 and in_channels == out_channels
        self.drop_path = 0.0
        self.expand = make(in_channels, wide, 1) if expand_ratio > 1 else None
        self.depthwise = make(wide, wide, kernel_size, stride=stride, dilation=dilation, groups=wide)
        self.project = make(wide, out_channels, 1, activation=nn.Identity)

    def forward(self, x: Tensor) -> Expanded:
        """Map (N, I, H, W) to the output and the two maps inside."""
        wide = x if self.expand is None else self.expand(x)
        filtered = self.depthwise(wide)
        y = self.project(filtered)
        if self.drop_path and self.training:
            y = drop_path(y, self.drop_path)
        return Expanded(x + y if self.adds_input else y, wide, filtered)
