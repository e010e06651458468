"""Folding algebra: batch norms and parallel branches become one convolution. Exact but for rounding, in float64.

Every branch of a re-parameterisable block is linear: each is a `Kernel`, and the sum of branches is the sum of kernels.
Source: Ding et al., RepVGG (arXiv 2101.03697), section 3.3; Vasu et al., MobileOne (arXiv 2206.04040), section 3.2.
"""

import copy
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm

from ..errors import BadValue, ShapeError


class Kernel(NamedTuple):
    """A convolution as numbers: weight (O, I/groups, kH, kW) and bias (O,), float64 on the CPU."""

    weight: Tensor
    bias: Tensor


def fold_conv_bn(conv: nn.Conv2d, bn: AnyBatchNorm) -> nn.Conv2d:
    """Fold a batch norm into the convolution before it.

    Args:
        conv: convolution with weight (O, I/groups, kH, kW), with or without bias.
        bn: batch norm over O channels; its running statistics are used, whatever its mode.

    Returns:
        A new convolution with bias, equal to bn(conv(x)) within float rounding. The arguments are unchanged.

    Raises:
        ShapeError: bn has another number of channels than conv produces.
        BadValue: bn keeps no running statistics.
    """
    return with_kernel(conv, conv_bn_kernel(conv, bn))


def conv_bn_kernel(conv: nn.Conv2d, bn: AnyBatchNorm) -> Kernel:
    """Return the kernel of bn(conv(x)); the errors are those of `fold_conv_bn`."""
    if bn.num_features != conv.out_channels:
        raise ShapeError(
            f"the convolution gives {conv.out_channels} channels, the batch norm takes {bn.num_features}; "
            "they must be equal to be folded"
        )
    scale, shift = bn_scale_shift(bn)
    bias = shift if conv.bias is None else shift + scale * exact(conv.bias)
    return Kernel(exact(conv.weight) * scale[:, None, None, None], bias)


def normalized_kernel(weight: Tensor, bn: AnyBatchNorm) -> Kernel:
    """Return the kernel of a convolution with weight (O, I/groups, kH, kW), float64, and a batch norm after it."""
    scale, shift = bn_scale_shift(bn)
    return Kernel(weight * scale[:, None, None, None], shift)


def bn_kernel(bn: AnyBatchNorm, groups: int, size: int) -> Kernel:
    """Return the kernel (C, C/groups, size, size) of bn(x), as a convolution with `groups` groups."""
    return normalized_kernel(identity_kernel(bn.num_features, groups, size), bn)


def bn_scale_shift(bn: AnyBatchNorm) -> tuple[Tensor, Tensor]:
    """Return (scale, shift), each (C,) in float64, with bn(x) = scale * x + shift; gradients pass to its factor alone.

    Raises:
        BadValue: bn keeps no running statistics, so that its output depends on the batch.
    """
    if bn.running_mean is None or bn.running_var is None:
        raise BadValue("a batch norm with track_running_stats=False cannot be folded; train it with running statistics")
    scale = (exact(bn.running_var) + bn.eps).rsqrt()
    if bn.weight is not None:
        scale = scale * bn.weight.to("cpu", torch.float64)
    shift = -scale * exact(bn.running_mean)
    return scale, shift if bn.bias is None else shift + exact(bn.bias)


def identity_kernel(channels: int, groups: int, size: int) -> Tensor:
    """Return the weight (C, C/groups, size, size) of the convolution that gives its input, padded by size // 2."""
    within = channels // groups
    weight = torch.zeros(channels, within, size, size, dtype=torch.float64)
    out = torch.arange(channels)
    weight[out, out % within, size // 2, size // 2] = 1  # channel o of the output reads channel o of its own group
    return weight


def pad_kernel(weight: Tensor, size: int) -> Tensor:
    """Put a weight (O, I, kH, kW) into the centre of a zero weight (O, I, size, size).

    The convolution is the same when it pads by dilation * (size // 2), also with strides and dilations.

    Raises:
        ShapeError: a size is even and has no centre, or the weight is larger than `size`.
    """
    height, width = weight.shape[2:]
    if not (height % 2 and width % 2 and size % 2) or max(height, width) > size:
        raise ShapeError(
            f"got a weight {tuple(weight.shape)} and size {size}; odd sizes are required, the weight's not above it"
        )
    above, beside = (size - height) // 2, (size - width) // 2
    return nn.functional.pad(weight, (beside, beside, above, above))  # (O, I, size, size)


def compose_kernels(first: Kernel, second: Kernel, groups: int) -> Kernel:
    """Return the kernel of second(first(x)): Kernel (M, I/groups, a, b), then (O, M/groups, c, d); one is 1x1.

    It holds where the windows of `second` see no zeros but the bias of `first` beyond the border, as a convolution that
    pads its input gives there. Source: Ding et al., Diverse Branch Block (arXiv 2103.13425), section 3.3.
    """
    sums = second.weight.sum((2, 3))  # (O, M/groups)
    within = sums.view(groups, -1, sums.shape[1])  # (groups, O/groups, M/groups)
    bias = (within @ first.bias.view(groups, -1, 1)).flatten()  # (O,)
    return Kernel(compose_weights(first.weight, second.weight, groups), second.bias + bias)


def compose_weights(first: Tensor, second: Tensor, groups: int) -> Tensor:
    """Return the weight (O, I/groups, a * c, b * d) of two convolutions without bias, one of them 1x1.

    Args:
        first: (M, I/groups, a, b).
        second: (O, M/groups, c, d).
        groups: of both.

    Raises:
        ShapeError: neither is 1x1.
    """
    if first.shape[2:] != (1, 1) and second.shape[2:] != (1, 1):
        raise ShapeError(
            f"got weights {tuple(first.shape)} and {tuple(second.shape)}; one of them must be 1x1 to be composed"
        )
    split = [weight.view(groups, -1, *weight.shape[1:]) for weight in (first, second)]  # (groups, M/groups, …)
    product = torch.einsum("gmiab,gomcd->goiacbd", *split)
    return product.flatten(5, 6).flatten(3, 4).flatten(0, 1)


def sum_kernels(kernels: Iterable[Kernel]) -> Kernel:
    """Return the kernel of the sum of parallel branches; all weights have one shape."""
    weights, biases = zip(*kernels, strict=True)
    return Kernel(torch.stack(weights).sum(0), torch.stack(biases).sum(0))


def with_kernel(conv: nn.Conv2d, kernel: Kernel) -> nn.Conv2d:
    """Return a copy of `conv` with other numbers, in its dtype, on its device, trainable if it was."""
    folded = copy.deepcopy(conv)
    for name, value in kernel._asdict().items():
        value = value.detach().to(conv.weight.device, conv.weight.dtype)
        folded.register_parameter(name, nn.Parameter(value, requires_grad=conv.weight.requires_grad))
    return folded


def exact(tensor: Tensor) -> Tensor:
    """Return the values in float64 on the CPU (some accelerators have no float64), apart from any gradient."""
    return tensor.detach().to("cpu", torch.float64)
