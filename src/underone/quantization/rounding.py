"""Weights to whole numbers: the nearest ones, or those that change a layer's answers least.

A layer's answers are products of its weights with patches of its input, so what rounding does to them is a quadratic
form of the rounding errors, whose matrix is the covariance of the patches: AdaRound's objective in closed form. It is
lowered weight by weight, each error handed on to the weights that are still free, then by going over all weights again.

Sources: Nagel et al., Up or Down? Adaptive Rounding (arXiv 2004.10568), section 3; Frantar et al., GPTQ
(arXiv 2210.17323), section 3.
"""

import numpy as np

from ..graph import Array
from .scheme import LARGEST

_SMALLEST = 1e-12  # of a scale, against the largest weight of the layer: rows of zeros have one too
_SHARES = np.linspace(0.7, 1.0, 13)  # of a row's largest weight, that are tried as the end of its range
_SWEEPS = 2


def row_scales(rows: Array, share: float = 1.0) -> Array:
    """Give each row its step: its largest weight, or that share of it, is 127.

    Args:
        rows: (G, O, K).
        share: 0 to 1.

    Returns:
        (G, O, 1), above 0.
    """
    largest = np.abs(rows).max(axis=-1, keepdims=True)
    return np.asarray(np.maximum(share * largest / LARGEST, max(float(largest.max()), 1.0) * _SMALLEST))


def nearest(rows: Array, scales: Array) -> Array:
    """Round each weight to its nearest multiple of the step, at most 127 of them."""
    return np.asarray(np.clip(np.rint(rows / scales), -LARGEST, LARGEST))


def best_scales(rows: Array, power: Array) -> Array:
    """Give each row the step with the least squared error, where weights count by the power of their input.

    Args:
        rows: (G, O, K).
        power: (G, K).
    """
    tried = [row_scales(rows, share) for share in _SHARES]
    costs = [((nearest(rows, s) * s - rows) ** 2 * power[:, None]).sum(axis=-1, keepdims=True) for s in tried]
    return np.asarray(np.take_along_axis(np.stack(tried), np.argmin(costs, axis=0)[None], axis=0)[0])


def rounded(rows: Array, scales: Array, metric: Array) -> Array:
    """Choose whole numbers of steps that change the answers of a layer least.

    Args:
        rows: weights, (G, O, K).
        scales: steps, (G, O, 1).
        metric: (G, K, K), positive definite: covariance of the inputs.

    Returns:
        Whole numbers in float64, (G, O, K).
    """
    order = np.argsort(
        -np.einsum("gkk->gk", metric).mean(axis=0)
    )  # strong inputs first: the weak ones make up for them
    sorted_metric = metric[:, order[:, None], order]
    found = _handed_on(rows[:, :, order], scales, sorted_metric)
    for _ in range(_SWEEPS):
        _improve(found, rows[:, :, order], scales, sorted_metric)
    result = np.empty_like(found)
    result[:, :, order] = found
    return result


def _handed_on(rows: Array, scales: Array, metric: Array) -> Array:
    inverse = np.linalg.inv(metric)
    upper = np.swapaxes(np.linalg.cholesky(inverse), 1, 2)  # inverse = upperᵀ upper
    left, found = rows.astype(np.float64), np.empty(rows.shape)
    for k in range(rows.shape[2]):
        found[:, :, k] = nearest(left[:, :, k : k + 1], scales)[:, :, 0]
        error = (left[:, :, k] - found[:, :, k] * scales[:, :, 0]) / upper[:, None, k, k]  # (G, O)
        left[:, :, k + 1 :] -= error[:, :, None] * upper[:, None, k, k + 1 :]
    return found


def _improve(found: Array, rows: Array, scales: Array, metric: Array) -> None:
    """Move each weight in turn to where the form is least, the others being as they are."""
    slope = (found * scales - rows) @ metric  # (G, O, K)
    for k in range(rows.shape[2]):
        wanted = found[:, :, k] - slope[:, :, k] / metric[:, None, k, k] / scales[:, :, 0]
        moved = np.clip(np.rint(wanted), -LARGEST, LARGEST) - found[:, :, k]
        found[:, :, k] += moved
        slope += (moved * scales[:, :, 0])[:, :, None] * metric[:, None, k]
