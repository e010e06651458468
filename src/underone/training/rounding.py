"""Rounding that learns: forwards to the whole numbers of the engine, backwards as if nothing had been rounded.

Sources: Jacob et al. (arXiv 1712.05877): straight-through gradients; Esser et al., LSQ (arXiv 1902.08153): the gradient
of a step; Jain et al., TQT (arXiv 1903.08066): steps and ranges learned on a log scale.
"""

from typing import Any, cast

import torch
from torch import Tensor

from ..quantization.scheme import LARGEST, LEVELS, Range

_LEAST = 1e-30  # of how far a range reaches: its logarithm is finite


def whole_weight(weight: Tensor, log_step: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Round a weight to at most 127 steps on either side of 0; weight and step learn.

    Args:
        weight: float32, in any shape.
        log_step: logarithm of the step of each output, (O,).
        axis: of the weight, that counts outputs.

    Returns:
        Whole numbers in float32, in the weight's shape; the steps, in a shape that they are multiplied with.
    """
    step = log_step.exp().reshape([-1 if a == axis else 1 for a in range(weight.ndim)])
    exact = weight / step
    whole = exact.detach().round() + (exact - exact.detach())
    return whole.clamp(-LARGEST, LARGEST), step


def whole_bias(bias: Tensor, step: Tensor, source: Range) -> Tensor:
    """Round a bias to the steps of the products that it is added to; it learns as if it were not rounded.

    Args:
        bias: (O,).
        step: of the weights, as `whole_weight` gives it.
        source: range of what the layer reads.
    """
    unit = step.detach().flatten() * float(source.scale)
    return bias + ((bias / unit).round() * unit - bias).detach()


def log_ends(span: Range) -> Tensor:
    """Give a range as it learns: the logarithms of how far it reaches below and above 0, (2,)."""
    return torch.tensor([max(-span.low, _LEAST), max(span.high, _LEAST)], dtype=torch.float32).log()


def range_of(ends: Tensor) -> Range:
    """Undo `log_ends`, on the CPU: Metal has no float64."""
    low, high = ends.detach().cpu().double().exp().tolist()
    return Range(-low, high)


def rounded(x: Tensor, ends: Tensor) -> Tensor:
    """Give a tensor as it comes back from uint8; it and the ends of its range learn.

    Args:
        x: float32, in any shape.
        ends: as `log_ends` gives them.
    """
    return cast(Tensor, _Rounded.apply(x, ends))


class _Rounded(torch.autograd.Function):
    """Where a value is inside the range its gradient passes, and both ends learn by what the step does to the rounding.

    Where it is cut off, the end that cut it learns.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, ends: Tensor) -> Tensor:
        ctx.save_for_backward(x, ends)
        span = range_of(ends)
        ctx.scale, ctx.zero = float(span.scale), int(span.zero)
        y: Tensor = (x / ctx.scale).round_().clamp_(-ctx.zero, LEVELS - ctx.zero).mul_(ctx.scale)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (gradient,) = gradients
        x, ends = ctx.saved_tensors
        exact = x / ctx.scale
        whole = exact.round()
        cut = whole.clamp(-ctx.zero, LEVELS - ctx.zero) != whole
        passed, lost, above = gradient.masked_fill(cut, 0), gradient[cut], x[cut] > 0
        by_step = torch.dot(whole.sub_(exact).flatten(), passed.flatten()) / LEVELS
        return passed, torch.stack([by_step - lost[~above].sum(), by_step + lost[above].sum()]) * ends.exp()
