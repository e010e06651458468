"""Convolutions by padding rule."""

from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import BadValue

Padding = Literal["symmetric", "tf_same", "keras"]


class Conv2dSame(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: by the run-time size, the odd pixel below and right.

    Constructed like `nn.Conv2d`, without `padding`. Input (N, I, H, W), output (N, O, ceil(H / s), ceil(W / s)).
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  the name that nn.Conv2d gives it
        """Pad by the size of this input, then convolve."""
        top, bottom = same_pads(input.shape[2], self.kernel_size[0], self.stride[0], self.dilation[0])
        left, right = same_pads(input.shape[3], self.kernel_size[1], self.stride[1], self.dilation[1])
        padded = F.pad(input, (left, right, top, bottom))  # (N, I, H + top + bottom, W + left + right)
        return super().forward(padded)


class Conv2dBottomRight(nn.Conv2d):
    """A convolution that pads below and right only, whatever the size.

    Keras' MobileNet V1 does so with a stride.
    Constructed like `nn.Conv2d`, without `padding`. Input (N, I, H, W), output (N, O, H // s, W // s): a map of odd
    size gives one pixel less than by the other rules.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  the name that nn.Conv2d gives it
        """Pad, then convolve."""
        below, right = ((self.kernel_size[i] - 1) * self.dilation[i] + 1 - self.stride[i] for i in (0, 1))
        return super().forward(F.pad(input, (0, right, 0, below)))


def same_pads(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Return TensorFlow's SAME padding (before, after) of one axis.

    >>> same_pads(224, 3, 2), same_pads(75, 3, 2)
    ((0, 1), (1, 1))
    """
    extent = (kernel - 1) * dilation + 1
    total = max(extent - (size % stride or stride), 0)
    return total // 2, total - total // 2


# The class of a strided convolution by padding rule
PADDED: dict[str, type[nn.Conv2d]] = {"symmetric": nn.Conv2d, "tf_same": Conv2dSame, "keras": Conv2dBottomRight}


def conv2d(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
    padding: Padding = "symmetric",
) -> nn.Conv2d:
    """Build a convolution whose output has ceil(size / stride) pixels, floor with ``keras``.

    Args:
        in_channels: channels I, divisible by `groups`.
        out_channels: channels O, divisible by `groups`.
        kernel_size: odd.
        stride: of both axes.
        dilation: of both axes.
        groups: I for a depthwise convolution.
        bias: whether it adds a bias.
        padding: ``symmetric``, ``tf_same`` (TensorFlow's rule) or ``keras`` (below and right only): they differ only
            with a stride.

    Raises:
        BadValue: the kernel size is even, or the padding is unknown.
    """
    if kernel_size % 2 == 0:
        raise BadValue(f"kernel_size={kernel_size}; an odd size is required")
    if padding not in PADDED:
        raise BadValue(f"padding={padding!r}; one of {', '.join(map(repr, PADDED))} is required")
    shape: dict[str, Any] = {"stride": stride, "dilation": dilation, "groups": groups, "bias": bias}
    kind = PADDED[padding]
    if kind is not nn.Conv2d and stride > 1:
        return kind(in_channels, out_channels, kernel_size, **shape)
    return nn.Conv2d(in_channels, out_channels, kernel_size, padding=dilation * (kernel_size // 2), **shape)
