"""The operators of a Graph in MLX: name → function of (attributes, arrays).

Arrays of four axes lie channels last, (N, H, W, C), as MLX's convolutions want them; weights are then (O, H, W, I).
Attributes speak of the graph's own order, (N, C, H, W).
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any

import mlx.core as mx

from ..errors import Unsupported
from ..graph import Node
from ..graph.layout_rules import flatten as flatten_shape
from ..graph.layout_rules import reshape as reshape_shape
from ..graph.layout_rules import resize as resize_shape
from ..graph.layout_rules import slice_parts
from ..graph.numpy_resize import axis_weights
from ..graph.ops import attributes
from ..graph.shape_rules import Dims, pad_pairs, reached_pads, window_pads, window_sizes
from .walk import Bound

Attrs = Mapping[str, Any]
Operator = Callable[..., Any]
_NHWC, _NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


def channels_last(x: Any) -> Any:
    """Turn an array of four axes; give any other as it is."""
    return x.transpose(_NHWC) if x.ndim == 4 else x


def channels_first(x: Any) -> Any:
    """Turn an array of four axes back; give any other as it is."""
    return x.transpose(_NCHW) if x.ndim == 4 else x


def shape_of(x: Any) -> Dims:
    """Give the shape of an array as the graph has it."""
    return tuple(x.shape[axis] for axis in _NCHW) if x.ndim == 4 else tuple(x.shape)


def conv(a: Attrs, x: Any, w: Any, b: Any = None) -> Any:
    """Convolve x (N, H, W, I) with w (O, h, w, I / group), add b (O,)."""
    _require_picture(x, "Conv")
    pads = window_pads(shape_of(x)[2:], shape_of(w)[2:], a)
    if any(before != after for before, after in pads):
        x, pads = _padded(x, pads), [(0, 0), (0, 0)]
    y = mx.conv2d(x, w, a["strides"], (pads[0][0], pads[1][0]), a["dilations"], a["group"])
    return y if b is None else y + b


def max_pool(a: Attrs, x: Any) -> Any:
    """Take the maximum of each window; padding never wins."""
    return reduce(mx.maximum, _taps(a, x, float("-inf"), float("-inf")))


def average_pool(a: Attrs, x: Any) -> Any:
    """Take the mean of each window over its elements in the input, or with count_include_pad in the padded input."""
    inside = mx.ones((1, *x.shape[1:3], 1), x.dtype)
    return sum(_taps(a, x, 0.0, 0.0)) / sum(_taps(a, inside, float(a["count_include_pad"]), 0.0))


def _taps(a: Attrs, x: Any, padding: float, beyond: float) -> list[Any]:
    """Give x (N, H, W, C) as each place of the window sees it; `beyond` is what ceil_mode reaches behind the pads."""
    _require_picture(x, "a pool")
    sizes, kernel = shape_of(x)[2:], tuple(a["kernel_shape"])
    pads, far = window_pads(sizes, kernel, a), reached_pads(sizes, kernel, a)
    rest = [(0, full - after) for (_, after), (_, full) in zip(pads, far, strict=True)]
    x = _padded(_padded(x, pads, padding), rest, beyond)
    counts, strides, dilations = window_sizes(sizes, kernel, a), a["strides"], a["dilations"]
    places = itertools.product(*(range(0, k * d, d) for k, d in zip(kernel, dilations, strict=True)))
    return [
        x[:, top : top + (counts[0] - 1) * strides[0] + 1 : strides[0],
          left : left + (counts[1] - 1) * strides[1] + 1 : strides[1]]
        for top, left in places
    ]  # fmt: skip


def batch_norm(a: Attrs, x: Any, scale: Any, bias: Any, mean: Any, var: Any) -> Any:
    """Normalise x by stored statistics (C,)."""
    column = (-1,) if x.ndim == 4 else (-1, *(1,) * (x.ndim - 2))
    factor = scale * mx.rsqrt(var + a["epsilon"])
    return x * factor.reshape(column) + (bias - mean * factor).reshape(column)


def gemm(a: Attrs, x: Any, w: Any, c: Any = None) -> Any:
    """Multiply two matrices, each transposed on request, and add c."""
    x, w = x.T if a["transA"] else x, w.T if a["transB"] else w
    return a["alpha"] * (x @ w) if c is None else mx.addmm(c, x, w, alpha=a["alpha"], beta=a["beta"])


def resize(a: Attrs, x: Any) -> Any:
    """Resample with the reference's own weights, axis by axis."""
    shape = shape_of(x)
    (wanted,) = resize_shape([shape], a)
    for axis, (n, m) in enumerate(zip(shape, wanted, strict=True)):
        scale = float(a["scales"][axis]) if a["scales"] else m / n
        if n != m or scale != 1:
            weights, at = mx.array(axis_weights(a, n, m, scale)).astype(x.dtype), _axis(axis, x)  # (m, n)
            x = mx.moveaxis(mx.moveaxis(x, at, -1) @ weights.T, -1, at)
    return x


def concat(a: Attrs, *xs: Any) -> Any:
    """Join along an axis."""
    return mx.concatenate(list(xs), _axis(a["axis"], xs[0]))


def pad(a: Attrs, x: Any) -> Any:
    """Lay numbers around."""
    if a["mode"] != "constant" or min(a["pads"]) < 0:
        raise Unsupported(f"Pad {a['pads']} in mode {a['mode']!r} is not in MLX; use backend 'reference'")
    return mx.pad(x, pad_pairs(a["pads"]), constant_values=a["value"])


def split(a: Attrs, x: Any) -> tuple[Any, ...]:
    """Cut an axis into parts."""
    ends = list(itertools.accumulate(a["split"]))[:-1]
    return tuple(mx.split(x, ends, _axis(a["axis"], x)))


def _axis(axis: int, x: Any) -> int:
    """Say where an axis of the graph's order lies."""
    return _NHWC.index(axis) if x.ndim == 4 else axis


def _padded(x: Any, pairs: Sequence[tuple[int, int]], value: float = 0.0) -> Any:
    return mx.pad(x, [(0, 0), *pairs, (0, 0)], constant_values=value) if any(map(any, pairs)) else x


def _require_picture(x: Any, what: str) -> None:
    if x.ndim != 4:
        raise Unsupported(f"{what} on {x.ndim} axes is not in this adapter for MLX; use backend 'reference'")


def _in_order(function: Operator) -> Operator:
    """Let a function see the arrays in the graph's own order; MLX moves nothing until somebody needs it."""
    return lambda a, *xs: channels_last(function(a, *map(channels_first, xs)))


def _broadcast(function: Callable[..., Any]) -> Operator:
    """Let a function see arrays of equally many axes, where the longest has four."""

    def lifted(_: Attrs, *xs: Any) -> Any:
        if max(x.ndim for x in xs) == 4:
            xs = tuple(x if x.ndim == 4 else channels_last(x.reshape((1,) * (4 - x.ndim) + x.shape)) for x in xs)
        return function(*xs)

    return lifted


def _plain(function: Callable[..., Any]) -> Operator:
    return lambda _, x: function(x)


OPERATORS: Mapping[str, Operator] = {
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": _in_order(lambda _, x, w: x @ w),
    "BatchNormalization": batch_norm,
    "Softmax": lambda a, x: mx.softmax(x, _axis(a["axis"], x)),
    "Relu": _plain(lambda x: mx.maximum(x, 0)),
    "Clip": lambda a, x: mx.clip(x, a["min"], a["max"]),
    "HardSwish": _plain(lambda x: x * mx.clip(x / 6 + 0.5, 0, 1)),
    "Sigmoid": _plain(mx.sigmoid),
    "Tanh": _plain(mx.tanh),
    "Exp": _plain(mx.exp),
    "Identity": _plain(lambda x: x),
    "Cast": lambda a, x: x.astype(getattr(mx, a["to"])),
    "Add": _broadcast(mx.add),
    "Sub": _broadcast(mx.subtract),
    "Mul": _broadcast(mx.multiply),
    "Div": _broadcast(mx.divide),
    "AveragePool": average_pool,
    "MaxPool": max_pool,
    "GlobalAveragePool": _in_order(lambda _, x: x.mean(tuple(range(2, x.ndim)), keepdims=True)),
    "Reshape": _in_order(lambda a, x: x.reshape(reshape_shape([x.shape], a)[0])),
    "Flatten": _in_order(lambda a, x: x.reshape(flatten_shape([x.shape], a)[0])),
    "Squeeze": _in_order(lambda a, x: x.squeeze(a["axes"])),
    "Unsqueeze": _in_order(lambda a, x: mx.expand_dims(x, a["axes"])),
    "Transpose": _in_order(lambda a, x: x.transpose(a["perm"])),
    "Concat": concat,
    "Split": split,
    "Slice": _in_order(lambda a, x: x[tuple(slice_parts(x.shape, a))]),
    "Gather": _in_order(lambda a, x, index: mx.take(x, index, a["axis"])),
    "Pad": _in_order(pad),
    "Resize": resize,
}


def bound(node: Node, operands: Sequence[Any]) -> Bound:
    """Give the operator of a node with its attributes, for operands of these shapes."""
    shapes = [shape_of(x) for x in operands if x is not None]
    return partial(OPERATORS[node.op], attributes(node.op, node.attrs, shapes))
