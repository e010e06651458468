"""Everything that changes during a run, as pure functions of recipe and step: a resumed run is at the same place."""

import math
from typing import NamedTuple

from .recipe import Recipe, Stage


class Rates(NamedTuple):
    """What the optimiser uses in one step."""

    lr: float
    weight_decay: float


def rates_at(recipe: Recipe, step: int, steps_per_epoch: int) -> Rates:
    """Return learning rate and weight decay of a step.

    The learning rate rises linearly, then falls on half a cosine; the weight decay falls on the whole run's cosine.

    Args:
        recipe: gives both ends of both.
        step: from 0.
        steps_per_epoch: 1 or more.

    Source: Vasu et al., CVPR 2023, section 3.3 (annealed weight decay).
    """
    total, warmup = recipe.epochs * steps_per_epoch, recipe.warmup_epochs * steps_per_epoch
    if step < warmup:
        lr = recipe.lr * (step + 1) / (math.ceil(warmup) + 1)
    else:
        lr = between(recipe.lr, recipe.lr_end, (step - warmup) / max(total - warmup, 1))
    end = recipe.weight_decay if recipe.weight_decay_end is None else recipe.weight_decay_end
    return Rates(lr, between(recipe.weight_decay, end, step / total))


def between(start: float, end: float, share: float) -> float:
    """Go from start to end on half a cosine, as share goes from 0 to 1.

    >>> between(2.0, 1.0, 0.5)
    1.5
    """
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * share))


def stage_at(recipe: Recipe, epoch: int) -> Stage:
    """Return the size and the strength of an epoch, counted from 0."""
    for stage in recipe.stages:
        if epoch < round(stage.until * recipe.epochs):
            return stage
    return recipe.stages[-1] if recipe.stages else Stage(until=1, size=recipe.size)


def ema_decay_at(decay: float, step: int) -> float:
    """Return the decay of a step: short memory at first, so that fresh weights are soon forgotten.

    >>> ema_decay_at(0.9995, 0), ema_decay_at(0.9995, 10**6)
    (0.1, 0.9995)
    """
    return min(decay, (1 + step) / (10 + step))
