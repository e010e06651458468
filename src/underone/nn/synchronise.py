"""Statistics of one batch that is spread over several processes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm


class Moments(NamedTuple):
    """Mean and biased variance of the outputs of B branches, each (B, O), over so many pixels of the batch."""

    mean: Tensor
    var: Tensor
    pixels: Tensor | int


def synchronised(moments: Moments, norms: Sequence[AnyBatchNorm]) -> Moments:
    """Return the statistics over all processes where the norms are `nn.SyncBatchNorm`, else what was given.

    Differentiable. Centred in two rounds, so that means far from 0 cost no accuracy.

    Args:
        moments: of this process.
        norms: of all branches, all of one kind and of one process group.
    """
    first = norms[0]
    if not (isinstance(first, nn.SyncBatchNorm) and dist.is_available() and dist.is_initialized()):
        return moments
    group = first.process_group
    if dist.get_world_size(group) == 1:
        return moments
    mean, var, pixels = moments
    count = mean.new_full((1,), float(pixels))
    sums = _summed(torch.cat([count, (count * mean).flatten()]), group)
    total = sums[0].detach()
    common = sums[1:].view_as(mean) / total
    squares = _summed(count * (var + (mean - common).square()), group)
    return Moments(common, squares / total, total)


def _summed(tensor: Tensor, group: Any) -> Tensor:
    result: Tensor = _Sum.apply(tensor, group)
    return result


class _Sum(Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, group: Any) -> Tensor:
        ctx.group = group
        total = tensor.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # every process' loss depends on the sum, so the gradients of all of them meet here
        total = grad.contiguous().clone()
        dist.all_reduce(total, group=ctx.group)
        return total, None
