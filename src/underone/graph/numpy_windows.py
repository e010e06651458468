"""Operators with windows in plain numpy: convolutions and pools, for any number of spatial axes.

Every one is a sum (or a maximum) over the positions of the window: the input, shifted and strided, times one tap.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .graph import Array
from .shape_rules import Attrs, Dims, pad_pairs, window_pads, window_sizes


def conv(attrs: Attrs, x: Array, w: Array, b: Array | None = None) -> Array:
    """Convolve x (N, I, …) with w (O, I / group, …), add b (O,)."""
    group, kernel = attrs["group"], w.shape[2:]
    n, out_channels, sizes = x.shape[0], w.shape[0], window_sizes(x.shape[2:], kernel, attrs)
    x = np.pad(x, [(0, 0), (0, 0), *window_pads(x.shape[2:], kernel, attrs)])
    total: Any = 0.0
    for tap, view in windows(x, kernel, sizes, attrs):
        taps = _at(w, tap).reshape(1, group, out_channels // group, w.shape[1])  # (1, G, O/G, I/G)
        values = view.reshape(n, group, w.shape[1], int(np.prod(sizes)))  # (N, G, I/G, P)
        total = total + (taps * values if taps.shape[2] == taps.shape[3] == 1 else taps @ values)  # (N, G, O/G, P)
    out = np.reshape(total, (n, out_channels, *sizes))
    return out if b is None else out + b.reshape(-1, *(1,) * len(kernel))


def conv_transpose(attrs: Attrs, x: Array, w: Array, b: Array | None = None) -> Array:
    """Spread x (N, I, …) by w (I, O / group, …), add b (O,): the adjoint of `conv`."""
    group, kernel, strides, dilations = attrs["group"], w.shape[2:], attrs["strides"], attrs["dilations"]
    n, channels, out_channels = x.shape[0], x.shape[1], w.shape[1] * group
    full = [
        (i - 1) * s + (k - 1) * d + 1 + extra
        for i, s, k, d, extra in zip(x.shape[2:], strides, kernel, dilations, attrs["output_padding"], strict=True)
    ]
    out = np.zeros((n, out_channels, *full), x.dtype)
    values = x.reshape(n, group, channels // group, -1)  # (N, G, I/G, P)
    taps = w.reshape(group, channels // group, w.shape[1], *kernel)
    for tap in itertools.product(*map(range, kernel)):
        part = np.swapaxes(_at(taps, tap), 1, 2) @ values  # (N, G, O/G, P)
        where = tuple(
            slice(t * d, t * d + (i - 1) * s + 1, s)
            for t, d, i, s in zip(tap, dilations, x.shape[2:], strides, strict=True)
        )
        spread = _at(out, where)  # a view
        spread += part.reshape(n, out_channels, *x.shape[2:])
    crop = tuple(
        slice(before, size - after) for (before, after), size in zip(pad_pairs(attrs["pads"]), full, strict=True)
    )
    out = _at(out, crop)
    return out if b is None else out + b.reshape(-1, *(1,) * len(kernel))


def max_pool(attrs: Attrs, x: Array) -> Array:
    """Take the maximum of each window; padding never wins."""
    padded, sizes = _pool_input(attrs, x, extremes(x.dtype)[0])
    return np.asarray(np.maximum.reduce([v for _, v in windows(padded, attrs["kernel_shape"], sizes, attrs)]))


def average_pool(attrs: Attrs, x: Array) -> Array:
    """Take the mean of each window, over its elements in the input or (count_include_pad) in the padded input."""
    padded, sizes = _pool_input(attrs, x, 0)
    inside = np.ones((1, 1, *x.shape[2:]), x.dtype)
    if attrs["count_include_pad"]:
        pads = window_pads(x.shape[2:], attrs["kernel_shape"], attrs)
        inside = np.pad(inside, [(0, 0), (0, 0), *pads], constant_values=1)
        # what ceil_mode reaches beyond the padding never counts
        reach = [(0, p - i) for p, i in zip(padded.shape, (1, 1, *inside.shape[2:]), strict=True)]
        inside = np.pad(inside, [(0, 0), (0, 0), *reach[2:]])
    else:
        inside, _ = _pool_input(attrs, inside, 0)
    kernel = attrs["kernel_shape"]
    total = sum(v for _, v in windows(padded, kernel, sizes, attrs))
    count = sum(v for _, v in windows(inside, kernel, sizes, attrs))
    return np.asarray(total / count)


def extremes(dtype: np.dtype) -> tuple[float, float]:
    """Give the lowest and the highest value of a dtype."""
    if dtype.kind == "f":
        return -np.inf, np.inf
    return (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)


def windows(x: Array, kernel: Sequence[int], sizes: Dims, attrs: Attrs) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yield each tap of the window with the part of the padded x (N, C, …) that it meets, (N, C, *sizes)."""
    for tap in itertools.product(*map(range, kernel)):
        where = tuple(
            slice(t * d, t * d + (size - 1) * s + 1, s)
            for t, d, s, size in zip(tap, attrs["dilations"], attrs["strides"], sizes, strict=True)
        )
        yield tap, _at(x, where)


def _at(x: Array, last_axes: tuple[Any, ...]) -> Array:
    """Index the last axes."""
    index: Any = (..., *last_axes)
    return np.asarray(x[index])


def _pool_input(attrs: Attrs, x: Array, fill: float) -> tuple[Array, Dims]:
    """Pad x as far as the last window reaches; with ceil_mode that can be beyond the stated padding."""
    kernel, spatial = attrs["kernel_shape"], x.shape[2:]
    sizes, pads = window_sizes(spatial, kernel, attrs), []
    for i, k, s, d, n, (before, after) in zip(
        spatial, kernel, attrs["strides"], attrs["dilations"], sizes, window_pads(spatial, kernel, attrs), strict=True
    ):
        pads.append((before, max(after, (n - 1) * s + (k - 1) * d + 1 - i - before)))
    return np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill), sizes
