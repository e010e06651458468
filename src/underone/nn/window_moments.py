"""Moments of the nine values under each 3x3 window of a depthwise convolution, by the compiled kernels.

The statistics of every branch of a depthwise block are linear and quadratic forms of these, so that the outputs of the
branches are never calculated at all.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ..settings import isa as wanted_isa
from .moments import Geometry

try:
    from .._native import isas, window_gradient, window_moments

    ISAS = isas()  # that the kernels are built for and this processor has, the best first
except ImportError:  # built without a compiler
    ISAS = []

TAPS, LANES = 9, 16  # values under a window; channels that the kernels calculate together


def can_compile(x: Tensor, size: tuple[int, ...], geometry: Geometry) -> bool:
    """Say whether the compiled kernels can do this convolution: float32 on a CPU, 3x3 with a border of one pixel."""
    ours = x.dtype == torch.float32 and x.device.type == "cpu" and bool(ISAS) and x.numel() > 0
    plain = size == (3, 3) and geometry.padding == geometry.dilation == (1, 1)
    return ours and plain and geometry.stride in ((1, 1), (2, 2))


def window_covariance(x: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Return mean (C, 9) and biased covariance (C, 9, 9) of what the windows of a depthwise convolution see.

    Value 3 a + b is the pixel a - 1 rows below and b - 1 columns right of the window's centre, 0 beyond the border. In
    float64, summed from products in float32; differentiable once; the input alone is kept.

    Args:
        x: (N, C, H, W) float32 on the CPU; read as it is if its memory is channels-last, else copied.
        stride: of the windows, 1 or 2; their centres begin at the first pixel.
    """
    mean, cov = _WindowCovariance.apply(x, stride)
    return mean, cov


class _WindowCovariance(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        channels, rows = x.shape[1], _rows(x)
        shift = rows[0].mean((0, 1))  # (C,), near the mean: the kernels sum what differs from it
        sums = torch.empty(TAPS + TAPS * (TAPS + 1) // 2, channels, dtype=torch.float64)
        window_moments(
            rows.numpy(), shift.numpy(), sums.numpy(),
            stride=stride, isa=_isa(), threads=torch.get_num_threads(),
        )  # fmt: skip
        count = len(x) * ((x.shape[2] - 1) // stride + 1) * ((x.shape[3] - 1) // stride + 1)
        mean = sums[:TAPS].t() / count  # (C, 9), of the values less shift
        products = torch.empty(channels, TAPS, TAPS, dtype=torch.float64)
        upper, right = torch.triu_indices(TAPS, TAPS)
        products[:, upper, right] = products[:, right, upper] = sums[TAPS:].t() / count
        ctx.save_for_backward(x, shift, mean)
        ctx.stride, ctx.count = stride, count
        return mean + shift[:, None], products - mean[:, :, None] * mean[:, None]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mean: Tensor, grad_cov: Tensor) -> tuple[Tensor, None]:
        # d cov[t, u] / d value t of one window = (value u - mean u) / M, and the same with t and u exchanged
        x, shift, mean = ctx.saved_tensors
        slope = (grad_cov + grad_cov.transpose(1, 2)) / ctx.count  # (C, 9, 9)
        constant = grad_mean / ctx.count - (slope @ mean[:, :, None])[:, :, 0]  # (C, 9)
        grad = torch.empty_like(x, memory_format=torch.channels_last)
        window_gradient(
            _rows(x).numpy(), shift.numpy(), _grouped(slope).numpy(), _grouped(constant).numpy(), _rows(grad).numpy(),
            stride=ctx.stride, isa=_isa(), threads=torch.get_num_threads(),
        )  # fmt: skip
        return grad, None


def _rows(x: Tensor) -> Tensor:
    """Return x (N, C, H, W) as (N, H, W, C), contiguous; the same memory if it is channels-last."""
    return x.detach().permute(0, 2, 3, 1).contiguous()


def _grouped(values: Tensor) -> Tensor:
    """Arrange values (C, …) as float32 (groups, …, 16), filled up with zeros: what the kernels read in one go."""
    channels = len(values)
    filled = F.pad(values.float().movedim(0, -1), (0, -channels % LANES))  # (…, groups * 16)
    groups = filled.reshape(*filled.shape[:-1], -1, LANES)  # (…, groups, 16)
    return groups.movedim(-2, 0).contiguous()


def _isa() -> str:
    wanted = wanted_isa()
    return wanted if wanted in ISAS else ISAS[0]
