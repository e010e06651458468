"""The diverse branch block (DBB): window, 1x1, average of a 1x1, and window of a 1x1, in parallel.

Source: Ding et al., Diverse Branch Block (arXiv 2103.13425), and the authors' code: a depthwise place has no 1x1
branches, its last branch has twice the channels inside; a 1x1 place stays one convolution.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv_norm import ConvNorm
from .folding import Kernel, compose_kernels, conv_bn_kernel, identity_kernel, normalized_kernel
from .parallel_block import Place


def dbb_branches(place: Place) -> list[nn.Module]:
    """Make the branches of the diverse branch block."""
    branches: list[nn.Module] = [ConvNorm(place.conv())]
    if place.kernel_size == 1:
        return branches
    if place.groups == place.out_channels:
        return [*branches, _Average(place, padded=True), _point_and_window(place, 2 * place.in_channels)]
    average = _PointThen(place, place.out_channels, _Average(place, padded=False))
    single = ConvNorm(place._replace(kernel_size=1, dilation=1).conv())
    return [*branches, single, average, _point_and_window(place, place.in_channels)]


class _Average(nn.Module):
    """Mean of a window, then batch norm: (N, O, H, W) to (N, O, H', W')."""

    ones: Tensor

    def __init__(self, place: Place, padded: bool) -> None:
        super().__init__()
        self.place = place
        self.margin = place.dilation * (place.kernel_size // 2) if padded else 0
        ones = torch.ones(place.out_channels, 1, place.kernel_size, place.kernel_size)
        self.register_buffer("ones", ones, persistent=False)
        self.bn = nn.BatchNorm2d(place.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Zeros of the padding count as pixels, as everywhere in a convolution."""
        place = self.place
        weight = self.ones / place.kernel_size**2  # divided here, it is exact in every dtype
        x = F.conv2d(x, weight, None, place.stride, self.margin, place.dilation, place.out_channels)
        y: Tensor = self.bn(x)
        return y

    def kernel(self, size: int) -> Kernel:
        """Return what it folds into."""
        one = identity_kernel(self.place.out_channels, self.place.groups, 1)  # (O, O/groups, 1, 1)
        return normalized_kernel(one.expand(-1, -1, size, size) / size**2, self.bn)


class _Window(ConvNorm):
    """A convolution that finds its input padded."""

    def __init__(self, place: Place) -> None:
        conv = place.conv()
        conv.padding = (0, 0)
        super().__init__(conv)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, M, H, W) to (N, O, H', W')."""
        y: Tensor = self.bn(_by_channel(self.conv, x) if self.conv.groups == self.conv.out_channels else self.conv(x))
        return y


def _by_channel(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Filter every channel apart, then sum those of a group: on a CPU half the time of a grouped convolution."""
    weight = conv.weight.flatten(0, 1)[:, None]  # (M, 1, K, K)
    y = F.conv2d(x, weight, None, conv.stride, conv.padding, conv.dilation, conv.in_channels)
    inside = conv.in_channels // conv.out_channels
    return y.view(-1, conv.out_channels, inside, *y.shape[2:]).sum(2)


class _PointThen(nn.Module):
    """A 1x1 convolution to M channels, batch norm, padding by what that norm gives for zeros, and a window.

    With zeros there instead the folded convolution, which pads its own input, would differ at the borders.
    """

    def __init__(self, place: Place, inside: int, window: _Average | _Window) -> None:
        super().__init__()
        self.point = ConvNorm(nn.Conv2d(place.in_channels, inside, 1, groups=place.groups, bias=False))
        self.window = window
        self.margin = place.dilation * (place.kernel_size // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, H', W')."""
        x = self.point(x)  # (N, M, H, W)
        border = self._border()
        x = F.pad(x - border, [self.margin] * 4) + border
        y: Tensor = self.window(x)
        return y

    def _border(self) -> Tensor:
        """Return what the running statistics make of zeros, (M, 1, 1); as in the source, no gradient goes there."""
        norm = self.point.bn
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
        return (norm.bias.detach() - norm.running_mean * scale)[:, None, None]

    def kernel(self, size: int) -> Kernel:
        """Return what both fold into."""
        first = conv_bn_kernel(self.point.conv, self.point.bn)
        return compose_kernels(first, self.window.kernel(size), self.point.conv.groups)


def _point_and_window(place: Place, inside: int) -> _PointThen:
    branch = _PointThen(place, inside, _Window(place._replace(in_channels=inside)))
    if inside == place.in_channels:  # begins as the window alone; in the source the weight is what differs from that
        with torch.no_grad():
            branch.point.conv.weight.copy_(identity_kernel(inside, place.groups, 1))
    return branch
