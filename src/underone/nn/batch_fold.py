"""Branches of convolution and batch norm, folded into one convolution of each training batch.

Before its activation a branch is linear in the input but for the statistics of its batch norm, and those are moments of
the input. So the branches of one batch are one convolution, whose weight depends on the batch. Loss, gradients, running
statistics and state are those of the plain form but for rounding; the outputs of the branches never exist.

Source: after the folding of Vasu et al. (arXiv 2206.04040), section 3.2, here with the statistics of the batch.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm

from .folding import identity_kernel, pad_kernel
from .moments import Geometry, channel_moments, covariance, full_precision, output_moments
from .synchronise import Moments, synchronised, update_running
from .window_moments import TAPS, can_compile, window_covariance

SMALL = 64  # values under one window of a dense convolution that are copied into rows


class Branches(NamedTuple):
    """The branches of a block by kind; those that do not exist are None.

    Attributes:
        convs: convolution and batch norm, one or more, of one geometry.
        scale: 1x1 convolution and batch norm of the same strides, groups and channels.
        skip: batch norm of the input itself.
    """

    convs: Sequence[tuple[nn.Conv2d, AnyBatchNorm]]
    scale: tuple[nn.Conv2d, AnyBatchNorm] | None
    skip: AnyBatchNorm | None

    @property
    def norms(self) -> list[AnyBatchNorm]:
        """The batch norms, in the order of all statistics below: those of `convs`, of `scale`, of `skip`."""
        found = [norm for _, norm in self.convs]
        if self.scale is not None:
            found.append(self.scale[1])
        return found if self.skip is None else [*found, self.skip]

    @property
    def geometry(self) -> Geometry:
        """How the convolutions move."""
        conv = self.convs[0][0]
        assert not isinstance(conv.padding, str)
        return Geometry(_pair(conv.stride), _pair(conv.padding), _pair(conv.dilation), conv.groups)


def foldable(conv: nn.Conv2d) -> bool:
    """Whether branches of this convolution can be folded by batch: depthwise, 1x1, or dense with small windows."""
    if conv.groups == 1:
        return conv.kernel_size == (1, 1) or conv.weight[0].numel() <= SMALL
    return conv.groups == conv.in_channels == conv.out_channels


def forward_folded(x: Tensor, branches: Branches) -> Tensor:
    """Return the sum of all branches in training mode, and update their running statistics.

    Args:
        x: (N, I, H, W), N * H' * W' of 2 or more.
        branches: `foldable` convolutions; all batch norms in training mode.

    Returns:
        (N, O, H', W'), in channels-last memory on a CPU, where convolutions of that layout are faster. The stem's is
        calculated from a copy of its windows: oneDNN 3.12 may read beyond a channels-last picture of three channels.
    """
    geometry, size = branches.geometry, branches.convs[0][0].weight.shape[2:]
    dense = geometry.groups == 1 and size != (1, 1)
    if dense:
        x = _windows(x, geometry, size)
    elif x.device.type == "cpu":
        x = x.contiguous(memory_format=torch.channels_last)
    with full_precision(x):
        weights = torch.stack([conv.weight for conv, _ in branches.convs])  # (k, O, I/groups, kH, kW)
        find = _dense_moments if geometry.groups == 1 else _depthwise_moments
        moments = synchronised(find(x, weights, branches), branches.norms)
        scales, shift = _normalise(moments, branches.norms)
        kernel = _kernel(scales, weights, branches)
    update_running(moments, branches.norms)
    if dense:
        return F.linear(x.permute(0, 2, 3, 1), _flat(kernel), shift).permute(0, 3, 1, 2)
    return F.conv2d(x, kernel, shift, *geometry)


def _dense_moments(x: Tensor, weights: Tensor, branches: Branches) -> Moments:
    """By the covariance of what the windows see, K values each: a branch is one row of K weights."""
    if weights.shape[3:] == (1, 1):
        down, right = branches.geometry.stride
        x = x if branches.geometry.stride == (1, 1) else x[:, :, ::down, ::right]
    mean, cov = covariance(x)  # (K,), (K, K)
    if branches.scale is not None:
        weights = torch.cat([weights, pad_kernel(branches.scale[0].weight, weights.shape[-1])[None]])
    flat = _flat(weights)  # (B, O, K)
    means, variances = flat @ mean, ((flat @ cov) * flat).sum(2)  # (B, O)
    if branches.skip is not None:
        inputs = weights.shape[2]
        first = len(mean) // inputs // 2 * inputs  # of the pixel under the windows' centre
        means = torch.cat([means, mean[None, first : first + inputs]])
        variances = torch.cat([variances, cov.diagonal()[None, first : first + inputs]])
    return Moments(means, variances.clamp(min=0), x[:, 0].numel())


def _flat(weights: Tensor) -> Tensor:
    """Arrange weights (…, I, kH, kW) as (…, kH * kW * I): the order of `_windows`."""
    return weights.movedim(-3, -1).flatten(-3)


def _depthwise_moments(x: Tensor, weights: Tensor, branches: Branches) -> Moments:
    """`scale` and `skip` see only the pixels under the windows' centres."""
    geometry = branches.geometry
    if can_compile(x, tuple(weights.shape[3:]), geometry):
        mean, var, (centre, spread) = _window_moments(x, weights, geometry.stride[0])
    else:
        mean, var = output_moments(x, weights, geometry)
        down, right = geometry.stride
        centre, spread = channel_moments(x if geometry.stride == (1, 1) else x[:, :, ::down, ::right])
    means, variances = [*mean], [*var]
    if branches.scale is not None:
        factor = branches.scale[0].weight.flatten()  # (O,), depthwise
        means.append(centre * factor)
        variances.append(spread * factor.square())
    if branches.skip is not None:
        means.append(centre)
        variances.append(spread)
    pixels = len(x) * math.prod(-(-size // step) for size, step in zip(x.shape[2:], geometry.stride, strict=True))
    return Moments(torch.stack(means), torch.stack(variances), pixels)


def _window_moments(x: Tensor, weights: Tensor, stride: int) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Return mean and variance of the outputs (B, O), and those of the pixels under the centres (O,)."""
    mean, cov = window_covariance(x, stride)  # (O, 9), (O, 9, 9)
    flat = weights.flatten(2).double()  # (B, O, 9)
    means = (flat * mean).sum(2)
    variances = ((flat[:, :, None] @ cov)[:, :, 0] * flat).sum(2)
    centre, spread = mean[:, TAPS // 2], cov[:, TAPS // 2, TAPS // 2]
    return means.to(x.dtype), variances.clamp(min=0).to(x.dtype), (centre.to(x.dtype), spread.to(x.dtype))


def _windows(x: Tensor, geometry: Geometry, size: Sequence[int]) -> Tensor:
    """Return what each output pixel of a dense convolution sees: (N, kH * kW * I, H', W'), channels-last."""
    top, left = geometry.padding
    windows = F.pad(x, (left, left, top, top)).permute(0, 2, 3, 1)  # (N, H, W, I)
    for axis in (0, 1):
        spread = windows.unfold(axis + 1, geometry.dilation[axis] * (size[axis] - 1) + 1, geometry.stride[axis])
        windows = spread[..., :: geometry.dilation[axis]]
    return windows.permute(0, 1, 2, 4, 5, 3).flatten(3).permute(0, 3, 1, 2)


def _normalise(moments: Moments, norms: Sequence[AnyBatchNorm]) -> tuple[Tensor, Tensor]:
    """Return the factor of each branch (B, O), and the sum of what the batch norms add (O,)."""
    eps = moments.var.new_tensor([norm.eps for norm in norms])[:, None]
    scales = torch.stack([norm.weight for norm in norms]) * (moments.var + eps).rsqrt()
    shifts = torch.stack([norm.bias for norm in norms]) - scales * moments.mean
    # A product, since the backward pass of a sum would give all biases one gradient in the same memory
    return scales, torch.ones_like(shifts[:, 0]) @ shifts


def _kernel(scales: Tensor, weights: Tensor, branches: Branches) -> Tensor:
    """Return the one weight (O, I/groups, kH, kW) of all branches."""
    count, size = len(weights), weights.shape[-1]
    factors = scales[..., None, None, None]  # (B, O, 1, 1, 1)
    kernel = (factors[:count] * weights).sum(0)
    if branches.scale is not None:
        kernel = kernel + pad_kernel(branches.scale[0].weight * factors[count], size)
    if branches.skip is not None:
        identity = identity_kernel(len(kernel), branches.geometry.groups, size).to(kernel)
        kernel = kernel + identity * factors[-1]
    return kernel


def _pair(value: tuple[int, ...]) -> tuple[int, int]:
    down, right = value
    return down, right
