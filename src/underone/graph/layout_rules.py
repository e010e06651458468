"""Shape rules of the operators that only move elements: reshape, slice, join, pad, resize."""

# ruff: noqa: ARG001 (one signature for a whole table)

from collections.abc import Sequence

import numpy as np

from ..errors import ShapeError
from .shape_rules import Attrs, Dims, axes_of, axis_of, broadcast, elements, pad_pairs


def reshape(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Give `shape`, where 0 copies the input's axis and one -1 takes what is left."""
    (x,) = shapes
    wanted: Dims = tuple(attrs["shape"])
    _require(all(d >= -1 for d in wanted) and wanted.count(-1) <= 1, f"shape {wanted}; sizes, 0 or one -1 are required")
    _require(
        all(i < len(x) for i, d in enumerate(wanted) if d == 0), f"input {x}, shape {wanted}: 0 has no axis to copy"
    )
    sizes = tuple(x[i] if d == 0 else d for i, d in enumerate(wanted))
    fixed = elements(tuple(d for d in sizes if d != -1))
    _require(-1 not in sizes or fixed > 0, f"input {x}, shape {wanted}: -1 has no single answer")
    found = tuple(elements(x) // fixed if d == -1 else d for d in sizes)
    _require(elements(found) == elements(x), f"input {x} has {elements(x)} elements, shape {wanted} does not")
    return (found,)


def flatten(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Join the axes before `axis` into one and the rest into another."""
    (x,) = shapes
    axis = attrs["axis"]
    _require(-len(x) <= axis <= len(x), f"axis {axis} of input {x}")
    axis = axis + len(x) if axis < 0 else axis
    return ((elements(x[:axis]), elements(x[axis:])),)


def transpose(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Reorder the axes by `perm`."""
    (x,), perm = shapes, attrs["perm"]
    _require(sorted(perm) == list(range(len(x))), f"input {x}, perm {tuple(perm)}; each axis once is required")
    return (tuple(x[p] for p in perm),)


def concat(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Join along `axis`; all other axes must be equal."""
    first = shapes[0]
    axis = axis_of(attrs["axis"], len(first))
    for s in shapes[1:]:
        fits = len(s) == len(first) and all(a == b for i, (a, b) in enumerate(zip(s, first, strict=True)) if i != axis)
        _require(fits, f"operands {first} and {s} differ beside axis {axis}")
    return ((*first[:axis], sum(s[axis] for s in shapes), *first[axis + 1 :]),)


def split(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Cut `axis` into the sizes of `split`, one output each."""
    (x,), parts = shapes, attrs["split"]
    axis = axis_of(attrs["axis"], len(x))
    _require(all(p >= 0 for p in parts) and sum(parts) == x[axis], f"input {x}, axis {axis}, split {tuple(parts)}")
    return tuple((*x[:axis], p, *x[axis + 1 :]) for p in parts)


def slices(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Take starts:ends:steps along `axes`."""
    (x,) = shapes
    return (tuple(len(range(d)[s]) for d, s in zip(x, slice_parts(x, attrs), strict=True)),)


def slice_parts(x: Dims, attrs: Attrs) -> list[slice]:
    """Give one Python slice per axis; ONNX and Python clamp alike, but for a backward slice to the very start."""
    starts, ends, steps = attrs["starts"], attrs["ends"], attrs["steps"]
    axes = axes_of(attrs["axes"], len(x))
    equal = len(starts) == len(ends) == len(steps) == len(axes)
    _require(
        equal and 0 not in steps, f"input {x}: starts {starts}, ends {ends}, axes {axes}, steps {steps} do not fit"
    )
    parts = [slice(None)] * len(x)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        least, most = -x[axis] - 1, x[axis]  # ONNX writes int64's largest for "all", which MLX does not take
        # a backward end at or below -size-1 means "through element 0", which Python writes as None
        stop = None if step < 0 and end <= least else min(max(end, least), most)
        parts[axis] = slice(min(max(start, least), most), stop, step)
    return parts


def squeeze(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Drop `axes`, all of size 1."""
    (x,) = shapes
    axes = axes_of(attrs["axes"], len(x))
    _require(all(x[a] == 1 for a in axes), f"input {x}, axes {axes}; only axes of size 1 can go")
    return (tuple(d for i, d in enumerate(x) if i not in axes),)


def unsqueeze(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Add axes of size 1 at `axes`, counted in the output."""
    (x,) = shapes
    rank = len(x) + len(attrs["axes"])
    axes, sizes = axes_of(attrs["axes"], rank), iter(x)
    return (tuple(1 if i in axes else next(sizes) for i in range(rank)),)


def gather(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Replace `axis` by the axes of the indices."""
    x, index = shapes
    axis = axis_of(attrs["axis"], len(x))
    return ((*x[:axis], *index, *x[axis + 1 :]),)


def expand(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Broadcast x with `shape`; -1 there is the first size of the second operand, which gives nothing else."""
    x, *like = shapes
    wanted: Dims = tuple(attrs["shape"])
    _require(all(d >= 0 or (d == -1 and like and like[0]) for d in wanted), f"input {x}, shape {wanted}")
    return broadcast([x, tuple(like[0][0] if d == -1 else d for d in wanted)], {})


def tile(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Repeat each axis."""
    (x,), repeats = shapes, attrs["repeats"]
    _require(len(repeats) == len(x) and all(r >= 0 for r in repeats), f"input {x}, repeats {tuple(repeats)}")
    return (tuple(d * r for d, r in zip(x, repeats, strict=True)),)


def pad(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Add pads before and after each axis; negative ones crop."""
    (x,), pads, mode = shapes, attrs["pads"], attrs["mode"]
    _require(mode in ("constant", "reflect", "edge", "wrap"), f"mode {mode!r}")
    _require(len(pads) == 2 * len(x), f"input {x}, pads {tuple(pads)}; {2 * len(x)} values are required")
    pairs = pad_pairs(pads)
    for size, pair in zip(x, pairs, strict=True):
        least = size > (max(pair) if mode == "reflect" else 0)
        _require(mode == "constant" or max(pair) <= 0 or least, f"input {x} is too small for {mode} pads {tuple(pads)}")
    sizes = tuple(d + before + after for d, (before, after) in zip(x, pairs, strict=True))
    _require(min(sizes, default=0) >= 0, f"input {x}, pads {tuple(pads)} leave {sizes}")
    return (sizes,)


def resize(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Give `sizes` (0 copies the input's axis), or the input times `scales`, rounded down."""
    (x,), sizes, scales = shapes, attrs["sizes"], attrs["scales"]
    _require(bool(sizes) != bool(scales), f"sizes {tuple(sizes)}, scales {tuple(scales)}; one of them is required")
    given = sizes or scales
    _require(len(given) == len(x), f"input {x} with {tuple(given)}; {len(x)} values are required")
    _require(all(0 <= v < 2**31 for v in given) and 0 not in scales, f"input {x} cannot be resized by {tuple(given)}")
    _require(0 not in x, f"input {x} is empty")
    return (tuple(s or d for s, d in zip(sizes, x, strict=True)) if sizes else tuple(map(_scaled, x, scales)),)


def resized_by_sizes(attrs: Attrs, shape: Dims, result: Dims) -> bool:
    """Whether the sizes alone say what a Resize computes, as formats without scales have it.

    So it is where scales are but the ratio of the sizes, in float32 as ONNX stores them, and where corners are aligned.
    """
    if not attrs["scales"] or attrs["coordinate_transformation_mode"] == "align_corners":
        return True
    return all(abs(n * s - m) <= 1e-6 * m for n, s, m in zip(shape, attrs["scales"], result, strict=True))


def _scaled(size: int, scale: float) -> int:
    # in float32, as ONNX stores the scales: 5 * float32(1.2) must give 6, whichever side of it the product falls
    return int(np.floor(np.float32(size) * np.float32(scale)))


def depth_to_space(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Give (N, C / b², H b, W b) from x (N, C, H, W)."""
    (x,), b = shapes, attrs["blocksize"]
    _require(len(x) == 4 and b >= 1 and x[1] % (b * b) == 0, f"input {x}, blocksize {b}; C must be a multiple of b²")
    return ((x[0], x[1] // (b * b), x[2] * b, x[3] * b),)


def space_to_depth(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Give (N, C b², H / b, W / b) from x (N, C, H, W)."""
    (x,), b = shapes, attrs["blocksize"]
    _require(
        len(x) == 4 and b >= 1 and x[2] % b == x[3] % b == 0, f"input {x}, blocksize {b}; H and W must be multiples"
    )
    return ((x[0], x[1] * b * b, x[2] // b, x[3] // b),)


def shape_of(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Give the shape of a shape: as many numbers as x has axes, between `start` and `end`."""
    return ((len(shapes[0][attrs["start"] : attrs["end"]]),),)


def constant_of_shape(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Give `shape`."""
    wanted: Dims = tuple(attrs["shape"])
    _require(all(d >= 0 for d in wanted), f"shape {wanted}; sizes from 0 up are required")
    return (wanted,)


def number_range(shapes: Sequence[Dims], attrs: Attrs) -> tuple[Dims, ...]:
    """Count the numbers from `start` to `limit` in steps of `delta`."""
    start, limit, delta = attrs["start"], attrs["limit"], attrs["delta"]
    _require(delta != 0, f"range from {start} to {limit} in steps of 0")
    return ((int(max(0, -((start - limit) // delta))),),)


def _require(fits: bool, message: str) -> None:
    if not fits:
        raise ShapeError(message)
