"""Statistics of one batch that is spread over several processes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm

from ..errors import BadValue


class Moments(NamedTuple):
    """Mean and biased variance of the outputs of B branches, each (B, O), over so many pixels of the batch."""

    mean: Tensor
    var: Tensor
    pixels: Tensor | int


def synchronised(moments: Moments, norms: Sequence[AnyBatchNorm]) -> Moments:
    """Return the statistics over all processes where the norms are synchronised, else what was given.

    Differentiable. Centred in two rounds, so that means far from 0 cost no accuracy.

    Args:
        moments: of this process.
        norms: of all branches, all of one kind and of one process group.
    """
    first = norms[0]
    if not (isinstance(first, nn.SyncBatchNorm | SynchronisedNorm) and dist.is_available() and dist.is_initialized()):
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


@torch.no_grad()
def update_running(moments: Moments, norms: Sequence[AnyBatchNorm]) -> None:
    """Do what `nn.BatchNorm2d` does with the statistics of a batch."""
    unbiased = moments.var * (moments.pixels / (moments.pixels - 1))
    for norm, mean, var in zip(norms, moments.mean, unbiased, strict=True):
        if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
            continue
        norm.num_batches_tracked.add_(1)
        share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(mean.to(norm.running_mean), share)
        norm.running_var.lerp_(var.to(norm.running_var), share)


class SynchronisedNorm(AnyBatchNorm):
    """Batch norm over the batch of all processes on any device; torch's own, and DDP with it, want GPUs."""

    process_group = None  # all processes

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  torch's own form
        """Take (N, C, …)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, …); in training by the statistics of all processes, which differ in N at will."""
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        whole = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        var, mean = torch.var_mean(whole, (0, *range(2, x.dim())), correction=0)  # (C,)
        moments = synchronised(Moments(mean[None], var[None], x[:, 0].numel()), [self])
        if moments.pixels <= 1:
            raise BadValue(
                f"a batch norm in training got one value for each channel, {tuple(x.shape)}; 2 or more are required"
            )
        update_running(moments, [self])
        scale = self.weight * (moments.var[0] + self.eps).rsqrt()  # (C,)
        shift = self.bias - moments.mean[0] * scale
        return torch.addcmul(_per_channel(shift, x), whole, _per_channel(scale, x)).to(x.dtype)


def synchronise_norms(model: nn.Module, device: torch.device) -> None:
    """Let the batch norms of a model see the batch of all processes; in place, parameters and buffers stay.

    Args:
        model: any, but no batch norm itself.
        device: on a GPU torch's own `nn.SyncBatchNorm` is used.
    """
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return
    for module in model.modules():
        if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
            module.__class__ = SynchronisedNorm  # the same parameters, buffers and settings; only `forward` differs


def _per_channel(values: Tensor, x: Tensor) -> Tensor:
    return values.reshape(1, -1, *[1] * (x.dim() - 2))  # (1, C, 1, …)


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
