"""Ranges of tensors from what was seen of them: by extremes, percentiles, least squares, or entropy."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ..graph import Array
from .calibrate import Observed
from .scheme import LEVELS, Range

_KEPT = 99.99  # percent of the values inside a range by percentiles
_SHARES = np.geomspace(0.02, 1.0, 60)  # of the extremes, that are tried
_BINS = 2048


def minmax(seen: Observed) -> Range:
    """Hold every value that was seen."""
    return Range(min(float(seen.low.min()), 0.0), max(float(seen.high.max()), 0.0))


def mean(seen: Observed) -> Range:
    """Hold what a picture usually holds: the mean of the pictures' extremes."""
    return _within(seen, *seen.usual)


def percentile(seen: Observed) -> Range:
    """Hold 99.99 % of the values."""
    low, high = np.percentile(seen.sample, (100 - _KEPT, _KEPT))
    return _within(seen, float(low), float(high))


def mse(seen: Observed) -> Range:
    """Lose the least by rounding and clipping together, in the mean of squares."""
    return _best(seen, lambda span: float(np.mean((span.rounded(seen.sample) - seen.sample) ** 2)))


def entropy(seen: Observed) -> Range:
    """Change the distribution of the values the least: least Kullback-Leibler divergence.

    Source: Migacz, 8-bit inference with TensorRT (GTC 2017).
    """
    whole = minmax(seen)
    edges = np.linspace(whole.low, whole.high, _BINS + 1)
    values = seen.sample[seen.sample != 0]  # the zeros that Relu makes are exact in any range, and outnumber the rest
    counts = np.histogram(values, edges)[0].astype(np.float64)
    return _best(seen, lambda span: _divergence(counts, edges, span))


METHODS: Mapping[str, Callable[[Observed], Range]] = {
    "minmax": minmax, "mean": mean, "percentile": percentile, "mse": mse, "entropy": entropy
}  # fmt: skip


def _best(seen: Observed, cost: Callable[[Range], float]) -> Range:
    whole = minmax(seen)
    if whole.low == whole.high:
        return whole
    return min(shrunk(whole), key=cost)


def shrunk(whole: Range) -> Iterator[Range]:
    """Give ranges inside another one, from a fiftieth of it on."""
    for share in _SHARES:
        yield Range(share * whole.low, share * whole.high)


def _within(seen: Observed, low: float, high: float) -> Range:
    whole = minmax(seen)
    return Range(max(min(low, 0.0), whole.low), min(max(high, 0.0), whole.high))


def _divergence(counts: Array, edges: Array, span: Range) -> float:
    """Compare the histogram, cut at the range, with the one that is left after each level holds one number."""
    middle = (edges[:-1] + edges[1:]) / 2
    inside = (middle >= span.low) & (middle <= span.high)
    cut = np.where(inside, counts, 0.0)
    first, last = np.flatnonzero(inside)[[0, -1]]
    cut[first] += counts[:first].sum()
    cut[last] += counts[last + 1 :].sum()
    level = np.clip((middle - span.low) / (span.high - span.low) * LEVELS, 0, LEVELS).astype(int)
    held = np.where(inside, counts, 0.0)
    filled = held > 0
    total = np.bincount(level, held, LEVELS + 1)
    bins = np.bincount(level[filled], minlength=LEVELS + 1)
    spread = np.where(filled, total[level] / np.maximum(bins[level], 1), 0.0)
    p, q = cut / cut.sum(), spread / max(spread.sum(), 1.0)
    seen = p > 0
    return float(np.sum(p[seen] * np.log(p[seen] / np.maximum(q[seen], 1e-12))))
