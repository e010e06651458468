"""Squeeze and excitation: channels weighted by what the whole picture holds."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """Multiply each channel by a weight in 0..1 that depends on all channel means.

    Args:
        channels: channels C of input and output.
        ratio: the hidden layer has int(C * ratio) channels.

    Source: Hu et al. (arXiv 1709.01507); ratio and biases as in the released MobileOne-S4.
    """

    def __init__(self, channels: int, ratio: float = 1 / 16) -> None:
        super().__init__()
        hidden = int(channels * ratio)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        means = F.adaptive_avg_pool2d(x, 1)  # (N, C, 1, 1)
        weights = torch.sigmoid(self.expand(F.relu(self.reduce(means))))  # (N, C, 1, 1)
        return x * weights
