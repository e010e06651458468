"""ACNet's branches: a square window beside its own horizontal and vertical line.

Source: Ding et al., ACNet (arXiv 1908.03930); a 1x1 convolution stays alone, as in the authors' networks.
"""

from torch import nn

from .conv_norm import ConvNorm
from .parallel_block import Place


def acnet_branches(place: Place) -> list[nn.Module]:
    """Make the branches KxK, 1xK and Kx1, each with its batch norm; of a 1x1 place the one convolution."""
    branches: list[nn.Module] = [ConvNorm(place.conv())]
    if place.kernel_size > 1:
        branches += [ConvNorm(_line(place, horizontal)) for horizontal in (True, False)]
    return branches


def _line(place: Place, horizontal: bool) -> nn.Conv2d:
    size, margin = place.kernel_size, place.dilation * (place.kernel_size // 2)
    return nn.Conv2d(
        place.in_channels,
        place.out_channels,
        (1, size) if horizontal else (size, 1),
        stride=place.stride,
        padding=(0, margin) if horizontal else (margin, 0),
        dilation=place.dilation,
        groups=place.groups,
        bias=False,
    )
