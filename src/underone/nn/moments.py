"""Statistics of what convolutions would give on a batch, without keeping what they give.

All functions are differentiable once, with gradients in closed form; what they keep for the backward pass is their
input. Mean and variance are those of training-mode batch norms: over the batch and all pixels, the variance biased.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

HALVES = (torch.float16, torch.bfloat16)


class Geometry(NamedTuple):
    """How a convolution moves over its input: the arguments of `F.conv2d`, each for (rows, columns)."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


POINTWISE = Geometry((1, 1), (0, 0), (1, 1), 1)


def covariance(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (C,) and biased covariance (C, C) of the channels over all pixels of the batch.

    The products are those of centred values, so that a mean far from 0 costs no accuracy.

    Args:
        x: (N, C, H, W); float16 and bfloat16 are calculated with in float32, and so are the results.

    >>> covariance(torch.tensor([1.0, 0.0, 3.0, 0.0]).view(2, 2, 1, 1))[1].tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    mean, cov = _Covariance.apply(x)
    return mean, cov


def output_moments(x: Tensor, weights: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance, each (B, O), of the outputs of B convolutions of one input.

    The outputs are calculated one after the other, here and again in the backward pass, and never kept. Meant for
    depthwise convolutions, whose cost is that of reading and writing.

    Args:
        x: (N, I, H, W); float16 and bfloat16 are calculated with in float32, and so are the results.
        weights: (B, O, I/groups, kH, kW).
        geometry: of all B convolutions.
    """
    mean, var = _OutputMoments.apply(x, weights, geometry)
    return mean, var


def channel_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance, each (C,), of the channels of x (N, C, H, W), in float32 at least."""
    mean, var = _ChannelMoments.apply(x)
    return mean, var


class _Covariance(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        with full_precision(x):
            exact = _widen(x)
            mean = exact.mean((0, 2, 3))  # (C,)
            cov = _products(exact - mean[:, None, None]) / _pixels(x)
        ctx.save_for_backward(x, mean)
        return mean, cov

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mean: Tensor, grad_cov: Tensor) -> Tensor:
        # d cov[i, j] / d x[i] of one pixel = (x[j] - mean[j]) / M, and the same with i and j exchanged
        x, mean = ctx.saved_tensors
        with full_precision(x):
            slope = (grad_cov + grad_cov.t()) / _pixels(x)  # (C, C)
            constant = grad_mean / _pixels(x) - mean @ slope  # (C,)
            return _affine(_widen(x), slope, constant).to(x.dtype)


def _products(x: Tensor) -> Tensor:
    """Return the sums of x[i] * x[j] over all pixels, (C, C)."""
    if _fits_convolution(x):
        weight = x.new_empty(x.shape[1], x.shape[1], 1, 1)
        return _convolve_backward(x, x, weight, POINTWISE, (False, True))[1][:, :, 0, 0]
    rows = _rows(x)
    return rows.t() @ rows


def _affine(x: Tensor, slope: Tensor, constant: Tensor) -> Tensor:
    """Return slope @ x + constant of each pixel; slope is symmetric."""
    if _fits_convolution(x):
        return _convolve(x, slope[:, :, None, None], constant, POINTWISE)
    size = (len(x), *x.shape[2:], x.shape[1])
    return torch.addmm(constant, _rows(x), slope).view(size).permute(0, 3, 1, 2)


def _fits_convolution(x: Tensor) -> bool:
    # where torch multiplies matrices with narrower vectors than it convolves with, a convolution has twice the speed
    return x.shape[1] % 16 == 0


def _rows(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])  # (N * H * W, C)


def _pixels(x: Tensor) -> int:
    return x.numel() // x.shape[1]


class _ChannelMoments(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, var = _channel_moments(_widen(x))
        ctx.save_for_backward(x, mean)
        return mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mean: Tensor, grad_var: Tensor) -> Tensor:
        x, mean = ctx.saved_tensors
        slope = 2 * grad_var / _pixels(x)  # (C,)
        constant = grad_mean / _pixels(x) - slope * mean  # (C,)
        grad = torch.addcmul(constant[:, None, None], slope[:, None, None], _widen(x))  # (N, C, H, W)
        return grad.to(x.dtype)


class _OutputMoments(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
        with full_precision(x):
            exact = _widen(x)
            outputs = (_convolve(exact, weight, None, geometry) for weight in _widen(weights))
            means, variances = zip(*(_channel_moments(y) for y in outputs), strict=True)
        mean = torch.stack(means)  # (B, O)
        ctx.save_for_backward(x, weights, mean)
        ctx.geometry = geometry
        return mean, torch.stack(variances)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mean: Tensor, grad_var: Tensor) -> tuple[Tensor | None, Tensor, None]:
        # With y = conv(x, w): d var / d y = 2 (y - mean) / M, an affine function of y, so it goes into the convolution
        x, weights, mean = ctx.saved_tensors
        exact, geometry = _widen(x), ctx.geometry
        grad_x: Tensor | None = None
        grad_weights = torch.empty_like(weights)
        with full_precision(x):
            for index, weight in enumerate(_widen(weights)):
                count = _output_count(x, weight, geometry)
                slope = 2 * grad_var[index] / count  # (O,)
                constant = grad_mean[index] / count - slope * mean[index]  # (O,)
                grad_y = _convolve(exact, weight * slope[:, None, None, None], constant, geometry)
                wanted = (ctx.needs_input_grad[0], True)
                part, grad_weights[index] = _convolve_backward(grad_y, exact, weight, geometry, wanted)
                if part is not None:
                    grad_x = part if grad_x is None else grad_x.add_(part)
        return grad_x if grad_x is None else grad_x.to(x.dtype), grad_weights, None


def full_precision(x: Tensor) -> torch.autocast:
    """Return the context in which autocast does nothing on the device of x."""
    return torch.autocast(x.device.type, enabled=False)


def _channel_moments(y: Tensor) -> tuple[Tensor, Tensor]:
    mean, var = torch.batch_norm_update_stats(y, None, None, 0.0)  # several times as fast as var_mean
    return mean, var


def _widen(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in HALVES else tensor


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    return torch.conv2d(x, weight, bias, geometry.stride, geometry.padding, geometry.dilation, geometry.groups)


def _convolve_backward(
    grad_y: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, wanted: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor]:
    grad_x, grad_weight, _ = torch.ops.aten.convolution_backward(
        grad_y, x, weight, None, geometry.stride, geometry.padding, geometry.dilation,
        False, (0, 0), geometry.groups, (*wanted, False),
    )  # fmt: skip
    return grad_x, grad_weight


def _output_count(x: Tensor, weight: Tensor, geometry: Geometry) -> int:
    count = len(x)
    for axis in (0, 1):
        reach = geometry.dilation[axis] * (weight.shape[axis + 2] - 1)
        count *= (x.shape[axis + 2] + 2 * geometry.padding[axis] - reach - 1) // geometry.stride[axis] + 1
    return count
