"""Which weights move how: parameter groups, the optimiser, the averaged copy."""

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ..errors import BadValue
from .recipe import Recipe
from .schedules import Rates, ema_decay_at

_NO_HEAD = ("backbone.", "ranges.")  # the latter: of what is stored in 8 bits


def freeze(model: nn.Module, names: Sequence[str]) -> None:
    """Keep weights as they are: they get no gradients.

    Args:
        model: whose weights.
        names: first parts of their names.

    Raises:
        BadValue: no weight's name begins so, or no weight is left that learns.
    """
    weights = dict(model.named_parameters())
    for start in names:
        chosen = [weight for name, weight in weights.items() if name.startswith(start)]
        if not chosen:
            known = ", ".join(dict.fromkeys(".".join(name.split(".")[:2]) for name in weights))
            raise BadValue(f"frozen={start!r}: no weight's name begins so; they begin with {known}")
        for weight in chosen:
            weight.requires_grad_(False)
    if not any(weight.requires_grad for weight in weights.values()):
        raise BadValue(f"frozen={list(names)} leaves no weight that learns; leave one out")


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Build the optimiser over groups that differ in learning rate (the head) and weight decay (norms, biases)."""
    groups = list(_groups(model, recipe))
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, weight_decay=0.0)
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov)


def _groups(model: nn.Module, recipe: Recipe) -> Iterator[dict[str, object]]:
    for head in (False, True):
        for decays in (False, True):
            chosen = [
                weight
                for name, weight in model.named_parameters()
                if weight.requires_grad
                and (not name.startswith(_NO_HEAD)) == head
                and (recipe.decay_norms or weight.ndim > 1) == decays
            ]
            if chosen:
                yield {"params": chosen, "lr_factor": recipe.head_lr if head else 1.0, "decays": decays}


def set_rates(optimizer: torch.optim.Optimizer, rates: Rates) -> None:
    """Set learning rate and weight decay of every group."""
    for group in optimizer.param_groups:
        group["lr"] = rates.lr * group["lr_factor"]
        group["weight_decay"] = rates.weight_decay if group["decays"] else 0.0


class Average:
    """A copy of a model whose weights and batch-norm statistics follow the model's slowly.

    Args:
        model: it starts as a copy of this.
        decay: share that stays in a step, 0 < decay < 1.

    Attributes:
        model: the copy, in eval mode.

    Source: Polyak averaging, as in Vasu et al., CVPR 2023, section 3.3.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards the model after the step; counters are copied."""
        share = 1 - ema_decay_at(self.decay, step)
        own, new = _tensors(self.model), _tensors(model)
        floats = [(a, b) for a, b in zip(own, new, strict=True) if a.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], share)
        for a, b in zip(own, new, strict=True):
            if not a.is_floating_point():
                a.copy_(b)


def _tensors(model: nn.Module) -> list[Tensor]:
    return list(model.state_dict().values())
