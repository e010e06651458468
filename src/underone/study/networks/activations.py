"""Activations that depend on the whole picture, and the others of the activation study by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nn.squeeze_excite import SqueezeExcite


class DynamicReLU(nn.Module):
    """The larger one of two lines whose slopes and offsets the channel means decide.

    Args:
        channels: C of input and output.
        shared: one pair of lines for all channels (variant A), or one for each channel (variant B).

    Source: Chen et al. (arXiv 2003.10027), section 3; reduction 8, slopes 1 and 0 plus at most 1, offsets at most 0.5.
    """

    def __init__(self, channels: int, shared: bool) -> None:
        super().__init__()
        self.count = 1 if shared else channels
        hidden = max(8, channels // 8)
        last = nn.Linear(hidden, 4 * self.count)
        nn.init.normal_(last.weight, 0, 0.01)  # near a ReLU, as the authors begin
        self.lines = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), last)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        found = 2 * torch.sigmoid(self.lines(x.mean((2, 3)))) - 1  # (N, 4 C) in -1..1
        slope, other, offset, shift = found[:, :, None, None].chunk(4, 1)  # each (N, C or 1, 1, 1)
        return torch.maximum(x * (1 + slope) + 0.5 * offset, x * other + 0.5 * shift)


class DynamicShiftMax(nn.Module):
    """The larger one of two mixtures of each channel with the one half of them away; the channel means decide how.

    Args:
        channels: C of input and output.

    Source: Li et al. (arXiv 2108.05894), section 4, with 2 mixtures of 2 channels, reduction 8.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(8, channels // 8)
        last = nn.Linear(hidden, 4 * channels)
        nn.init.normal_(last.weight, 0, 0.01)
        self.weights = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), last)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        found = 2 * F.hardsigmoid(self.weights(x.mean((2, 3)))) - 1  # (N, 4 C) in -1..1
        a, b, c, d = found[:, :, None, None].chunk(4, 1)
        first, second = x.chunk(2, 1)
        shifted = torch.cat((second, first), 1)
        return torch.maximum(x * (1 + a) + shifted * b, x * c + shifted * d)


def _se_relu(channels: int) -> nn.Module:
    return nn.Sequential(SqueezeExcite(channels), nn.ReLU())


# name → what makes it for so many channels
ACTIVATIONS: Mapping[str, Callable[[int], nn.Module]] = MappingProxyType(
    {
        "relu": lambda channels: nn.ReLU(),  # noqa: ARG005
        "gelu": lambda channels: nn.GELU(),  # noqa: ARG005
        "silu": lambda channels: nn.SiLU(),  # noqa: ARG005
        "hardswish": lambda channels: nn.Hardswish(),  # noqa: ARG005
        "se_relu": _se_relu,
        "dynamic_shift_max": DynamicShiftMax,
        "dynamic_relu_a": lambda channels: DynamicReLU(channels, shared=True),
        "dynamic_relu_b": lambda channels: DynamicReLU(channels, shared=False),
    }
)
