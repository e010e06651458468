"""The arrays of a source as ours: the order of their axes, and batch norms that were partly folded."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .store import Weights

Array = NDArray[Any]


class Turn(NamedTuple):
    """How an array becomes ours.

    Attributes:
        mark: what our name ends with, or the source's name has in it.
        rank: axes of the source's array.
        name: the order of the axes before and after.
        turn: does it.
    """

    mark: str
    rank: int
    name: str
    turn: Callable[[Array], Array]


def _depthwise(kernel: Array) -> Array:
    height, width, channels, filters = kernel.shape
    return kernel.transpose(2, 3, 0, 1).reshape(channels * filters, 1, height, width)


def _dense(kernel: Array) -> Array:
    """Take a 1x1 convolution for a dense layer; a larger one stays, and will not fit."""
    return kernel[0, 0].T if kernel.shape[:2] == (1, 1) else kernel


# The first row that fits is taken. M, the number of filters for each channel, is 1 in all of these networks: taken for
# HWIO, a depthwise kernel would keep its size and be wrong.
AXES: Mapping[str, tuple[Turn, ...]] = {
    "torch": (),
    "tensorflow": (
        Turn("depthwise.conv.weight", 4, "HWCM → CM,1,H,W", _depthwise),
        Turn("depthwise_weights", 4, "HWCM → CM,1,H,W", _depthwise),
        Turn("head.weight", 4, "HWIO → OI", _dense),
        Turn("head.weight", 2, "IO → OI", lambda a: a.T),
        Turn("weight", 4, "HWIO → OIHW", lambda a: a.transpose(3, 2, 0, 1)),
    ),
}


def turn_for(theirs: str, ours: str, array: Array, arrays: str) -> Turn | None:
    """Find the turn of an array whose name `theirs` becomes `ours`, by a key of `AXES`; None: it stays as it is."""
    fitting = (turn for turn in AXES[arrays] if ours.endswith(turn.mark) or turn.mark in theirs)
    return next((turn for turn in fitting if turn.rank == array.ndim), None)


def complete_norms(weights: Weights, eps: float) -> tuple[Weights, int]:
    """Add what a source leaves out of its batch norms: gamma 1, beta 0; statistics that change nothing.

    A norm whose scale was multiplied into the convolution before leaves its shift alone, as a bias. It becomes the norm
    that adds that shift: mean 0 and variance 1 - eps.

    Args:
        weights: arrays under our names, training form.
        eps: epsilon of the norms.

    Returns:
        The weights with all norms whole, and how many were not. A convolution without any part of a norm, or with half
        of its statistics, stays as it is: the network will miss the rest.
    """
    added: Weights = {}
    norms = 0
    for name in weights:
        block, is_conv, _ = name.partition(".conv.weight")
        if not is_conv or weights[name].ndim == 0:
            continue
        missing = _missing_parts(weights, f"{block}.bn.", weights[name].shape[0], eps)
        added |= missing
        norms += bool(missing)
    return weights | added, norms


def _missing_parts(weights: Weights, norm: str, channels: int, eps: float) -> Weights:
    has = {part for part in ("weight", "bias", "running_mean", "running_var") if norm + part in weights}
    statistics = has & {"running_mean", "running_var"}
    if len(statistics) == 1 or not has:
        return {}
    values = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1 - eps}
    return {norm + part: np.full(channels, value, np.float32) for part, value in values.items() if part not in has}
