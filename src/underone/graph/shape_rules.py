"""Shape rules: the output shapes of each kind of operator from its operands' shapes and attributes.

A rule takes (shapes, attrs) and returns one shape per output. It allocates nothing, so it is safe on hostile sizes.
Every rule raises ShapeError with the shapes that do not fit; whoever calls it adds the name of the node.
"""

# ruff: noqa: ARG001 (one signature for a whole table)

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ShapeError

Dims = tuple[int, ...]
Attrs = Mapping[str, Any]
Rule = Callable[[Sequence[Dims], Attrs], tuple[Dims, ...]]


def same(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Give the shape of the first operand."""
    return (shapes[0],)


def scalar(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Give the shape of a single number."""
    return ((),)


def broadcast(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Join all operands by numpy's broadcasting."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(s)) + s for s in shapes]
    joined = tuple(max(column) if 0 not in column else 0 for column in zip(*padded, strict=True))
    fits = all(d in (1, j) for s in padded for d, j in zip(s, joined, strict=True))
    _require(fits, f"operands {_texts(shapes)} do not broadcast; each axis must be equal or 1")
    return (joined,)


def per_channel(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Keep x (N, C, …); every further operand is (C,)."""
    x, *rest = shapes
    _require(len(x) >= 2, f"input {x}; at least the axes (N, C) are required")
    _require(all(r == (x[1],) for r in rest), f"input {x} with {_texts(rest)}; each must be ({x[1]},)")
    return (x,)


def layer_norm(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Keep x; scale and bias broadcast to the axes from `axis` on."""
    x, *rest = shapes
    tail = x[axis_of(attrs["axis"], len(x)) :]
    for r in rest:
        _require(len(r) <= len(tail) and broadcast([tail, r], {}) == (tail,), f"input {x}, scale or bias {r}")
    return (x,)


def prelu(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Keep x; the slope broadcasts to it."""
    x, slope = shapes
    _require(broadcast(shapes, attrs) == (x,), f"input {x}, slope {slope}; the slope must broadcast to the input")
    return (x,)


def convolution(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Give (N, O, …) from x (N, I, …), w (O, I / group, …) and b (O,)."""
    x, w, *bias = shapes
    group = attrs["group"]
    fits = len(x) == len(w) >= 3 and group >= 1 and x[1] == w[1] * group and w[0] % group == 0
    _require(fits, f"input {x}, weight {w}, group {group}; (N, I, …) and (O, I / group, …) are required")
    _require(all(b == (w[0],) for b in bias), f"bias {_texts(bias)}; ({w[0]},) is required")
    return ((x[0], w[0], *window_sizes(x[2:], w[2:], attrs)),)


def convolution_transposed(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Give (N, O, …) from x (N, I, …), w (I, O / group, …) and b (O,)."""
    x, w, *bias = shapes
    group = attrs["group"]
    fits = len(x) == len(w) >= 3 and group >= 1 and x[1] == w[0] and w[0] % group == 0
    _require(fits, f"input {x}, weight {w}, group {group}; (N, I, …) and (I, O / group, …) are required")
    _require(all(b == (w[1] * group,) for b in bias), f"bias {_texts(bias)}; ({w[1] * group},) is required")
    _check_windows(x[2:], w[2:], attrs)
    sizes = [
        (i - 1) * s + (k - 1) * d + 1 - before - after + extra
        for i, k, s, d, (before, after), extra in zip(
            x[2:], w[2:], attrs["strides"], attrs["dilations"],
            pad_pairs(attrs["pads"]), attrs["output_padding"], strict=True,
        )
    ]  # fmt: skip
    _require(min(sizes) > 0, f"input {x}, weight {w} leave a size of {min(sizes)}; at least 1 is required")
    return ((x[0], w[1] * group, *sizes),)


def pool(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Give (N, C, …) from windows over x (N, C, …)."""
    (x,) = shapes
    _require(len(x) >= 3, f"input {x}; (N, C, …) with at least one spatial axis is required")
    return ((*x[:2], *window_sizes(x[2:], attrs["kernel_shape"], attrs)),)


def global_pool(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Give (N, C, 1, …) from x (N, C, …)."""
    (x,) = shapes
    _require(len(x) >= 3 and 0 not in x, f"input {x}; (N, C, …) with at least one spatial axis is required")
    return ((*x[:2], *(1,) * (len(x) - 2)),)


def gemm(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Give (M, N) from a (M, K), b (K, N), each transposed on request, and c that broadcasts to (M, N)."""
    a, b, *c = shapes
    _require(len(a) == len(b) == 2, f"operands {a} and {b}; two matrices are required")
    (m, k), (k2, n) = a[:: -1 if attrs["transA"] else 1], b[:: -1 if attrs["transB"] else 1]
    _require(k == k2, f"operands {a} and {b} (transA {attrs['transA']}, transB {attrs['transB']}): {k} against {k2}")
    for bias in c:
        _require(broadcast([(m, n), bias], {}) == ((m, n),), f"c {bias} does not broadcast to {(m, n)}")
    return ((m, n),)


def matmul(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Multiply as numpy.matmul does, vectors and stacks included."""
    a, b = shapes[:2]
    _require(len(a) >= 1 and len(b) >= 1, f"operands {a} and {b}; at least vectors are required")
    left, right = (a if len(a) > 1 else (1, *a)), (b if len(b) > 1 else (*b, 1))
    _require(left[-1] == right[-2], f"operands {a} and {b}: {left[-1]} against {right[-2]}")
    (stack,) = broadcast([left[:-2], right[:-2]], {})
    rows, columns = a[-2:-1], b[-1:] if len(b) > 1 else ()  # a vector's own axis was only lent
    return ((*stack, *rows, *columns),)


def quantized_convolution(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Convolve x (operand 0) with w (operand 3); the rest are scales, zero points and a bias."""
    return convolution([shapes[0], shapes[3], *shapes[8:]], attrs)


def quantized_matmul(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Multiply a (operand 0) by b (operand 3); the rest are scales and zero points."""
    return matmul([shapes[0], shapes[3]], attrs)


def integer_convolution(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Convolve x with w; further operands are zero points."""
    return convolution(shapes[:2], attrs)


def reduce(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Take out `axes` (none given: all), or leave them as 1."""
    (x,) = shapes
    axes = axes_of(attrs["axes"], len(x)) or tuple(range(len(x)))
    return (tuple(1 if i in axes else d for i, d in enumerate(x) if attrs["keepdims"] or i not in axes),)


def arg_reduce(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Take out one axis, which must not be empty."""
    (x,) = shapes
    axis = axis_of(attrs["axis"], len(x))
    _require(x[axis] > 0, f"input {x} is empty along axis {axis}")
    return reduce(shapes, {"axes": (axis,), "keepdims": attrs["keepdims"]})


def along_axis(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Keep x; `axis` must be one of its axes."""
    axis_of(attrs["axis"], len(shapes[0]))
    return (shapes[0],)


def window_sizes(sizes: Dims, kernel: Dims, attrs: Attrs) -> Dims:
    """Count the windows along each spatial axis, for convolutions and pools.

    Args:
        sizes: spatial sizes of the input.
        kernel: spatial sizes of the window.
        attrs: strides, pads, dilations, auto_pad, and for pools ceil_mode.

    Raises:
        ShapeError: an attribute has another rank, a stride below 1, or no window fits.
    """
    _check_windows(sizes, kernel, attrs)
    out = []
    for i, k, s, d, (before, after) in zip(
        sizes, kernel, attrs["strides"], attrs["dilations"], window_pads(sizes, kernel, attrs), strict=True
    ):
        free = i + before + after - d * (k - 1) - 1
        _require(free >= 0, f"spatial size {sizes} with padding {before}+{after} is smaller than the window {kernel}")
        count = (-(-free // s) if attrs.get("ceil_mode") else free // s) + 1
        if attrs.get("ceil_mode") and (count - 1) * s >= i + before:
            count -= 1  # the last window must not start in the padding behind
        out.append(count)
    return tuple(out)


def window_pads(sizes: Dims, kernel: Dims, attrs: Attrs) -> list[tuple[int, int]]:
    """Give the padding (before, after) of each spatial axis; SAME is resolved by size."""
    if attrs["auto_pad"] == "NOTSET":
        return pad_pairs(attrs["pads"])
    pairs = []
    for i, k, s, d in zip(sizes, kernel, attrs["strides"], attrs["dilations"], strict=True):
        total = max((-(-i // s) - 1) * s + d * (k - 1) + 1 - i, 0)
        small, large = total // 2, total - total // 2
        pairs.append((small, large) if attrs["auto_pad"] == "SAME_UPPER" else (large, small))
    return pairs


def reached_pads(sizes: Dims, kernel: Dims, attrs: Attrs) -> list[tuple[int, int]]:
    """Give the padding (before, after) of each spatial axis, as far behind as ceil_mode lets the last window reach."""
    return [
        (before, max(after, (count - 1) * s + d * (k - 1) + 1 - i - before))
        for i, k, s, d, count, (before, after) in zip(
            sizes, kernel, attrs["strides"], attrs["dilations"], window_sizes(sizes, kernel, attrs),
            window_pads(sizes, kernel, attrs), strict=True,
        )
    ]  # fmt: skip


def pad_pairs(pads: Sequence[int]) -> list[tuple[int, int]]:
    """Turn ONNX's order (all befores, then all afters) into pairs."""
    half = len(pads) // 2
    return list(zip(pads[:half], pads[half:], strict=True))


def axis_of(axis: int, rank: int) -> int:
    """Count an axis from the front."""
    _require(-rank <= axis < rank, f"axis {axis} of a tensor with {rank} axes")
    return axis % rank


def axes_of(axes: Sequence[int], rank: int) -> Dims:
    """Count axes from the front; each may stand once."""
    found = tuple(axis_of(a, rank) for a in axes)
    _require(len(set(found)) == len(found), f"axes {tuple(axes)} name one axis twice")
    return found


def elements(shape: Dims) -> int:
    """Count the elements of a shape."""
    return math.prod(shape)


def _check_windows(sizes: Dims, kernel: Dims, attrs: Attrs) -> None:
    rank = len(sizes)
    for what, values, length, least in (
        ("window", kernel, rank, 1),
        ("strides", attrs["strides"], rank, 1),
        ("dilations", attrs["dilations"], rank, 1),
        ("pads", attrs["pads"], 2 * rank, 0),
        ("output_padding", attrs.get("output_padding", (0,) * rank), rank, 0),
    ):
        fits = len(values) == length and all(v >= least for v in values)
        _require(fits, f"{what} {tuple(values)}; {length} values from {least} up are required")
    known = ("NOTSET", "SAME_UPPER", "SAME_LOWER")
    _require(attrs["auto_pad"] in known, f"auto_pad {attrs['auto_pad']!r}; one of {', '.join(known)} is required")


def _texts(shapes: Sequence[Dims]) -> str:
    return " and ".join(map(str, shapes))


def _require(fits: bool, message: str) -> None:
    if not fits:
        raise ShapeError(message)
