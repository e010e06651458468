"""Rank correlation with its uncertainty, and the front of the best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadValue

_DRAWS = 10_000


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation.

    Attributes:
        rho: -1 to 1.
        p: share of random orders that correlate as much, in either direction.
        low: lower end of the 95 % interval, by drawing the pairs again with replacement.
        high: its upper end.
        pairs: how many there are.
    """

    rho: float
    p: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        p = "p < 0.001" if self.p < 0.001 else f"p {self.p:.3f}"
        return f"{self.rho:.2f} ({self.low:.2f} to {self.high:.2f}), {p}"


def spearman(x: ArrayLike, y: ArrayLike) -> Correlation:
    """Correlate the ranks of two lists of numbers; where all numbers of a list are the same, rho is 0.

    Args:
        x: numbers, at least three.
        y: as many.

    Raises:
        BadValue: too few numbers, or lists of two lengths.
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 3:
        raise BadValue(f"lists of {a.shape} and {b.shape} numbers; two of one length, 3 at the least, are required")
    rng = np.random.default_rng(0)
    rho = _rho(_ranks(a), _ranks(b))
    ranks, orders = _ranks(a), rng.permuted(np.tile(_ranks(b), (_DRAWS, 1)), axis=1)
    draws = rng.integers(0, len(a), (_DRAWS // 5, len(a)))
    again = _rho(_ranks(a[draws]), _ranks(b[draws]))
    p = (1 + np.count_nonzero(np.abs(_rho(ranks, orders)) >= abs(rho) - 1e-12)) / (1 + _DRAWS)
    low, high = np.percentile(again, (2.5, 97.5))
    return Correlation(float(rho), float(p), float(low), float(high), len(a))


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which (cost, value) no other beats: none is cheaper and at least as good. In order of cost."""
    best, found = -np.inf, []
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if points[i][1] > best:
            best = points[i][1]
            found.append(i)
    return found


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give ranks from 0 up along the last axis; equal values share the mean of theirs."""
    below = values[..., :, None] > values[..., None, :]
    equal = values[..., :, None] == values[..., None, :]
    ranks: NDArray[np.float64] = below.sum(-1) + (equal.sum(-1) - 1) / 2
    return ranks


def _rho(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    scale = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    rho: NDArray[np.float64] = (a * b).sum(-1) / np.where(scale > 0, scale, 1)
    return rho
