"""torch operations that move, cut, join or resize, and what the Graph says instead."""
# ruff: noqa: ARG001 - the arguments are those of the torch operations, needed or not

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..errors import Unsupported
from ..spec import Shape
from .emit import Emitter, Number, Ref, axes_of, fixed, target

PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}
FULL_SLICE = 2**62  # torch writes "to the end" as 2**63 - 1


def reshape(e: Emitter, x: Ref, *args: Any, **kwargs: Any) -> Ref:
    """Translate view, reshape, flatten, unflatten: the traced shape says it all, -1 for what depends on the batch."""
    if x.shape == e.shape:
        return x
    rows = e.shape[:1] == x.shape[:1] and None not in x.shape[1:]
    if rows and len(e.shape) == 2 and math.prod(fixed(x.shape[1:])) == e.shape[1]:  # the batch stays as it is
        return e.emit("Flatten", x, axis=1)
    return e.emit("Reshape", x, shape=target(e.shape))


def permute(e: Emitter, x: Ref, dims: Sequence[int]) -> Ref:
    """Translate permute."""
    return e.emit("Transpose", x, perm=tuple(d % len(x.shape) for d in dims))


def transpose(e: Emitter, x: Ref, a: int, b: int, gives: Shape | None = None) -> Ref:
    """Translate transpose."""
    perm = list(range(len(x.shape)))
    perm[a], perm[b] = perm[b], perm[a]
    return e.emit("Transpose", x, perm=tuple(perm), gives=gives)


def unsqueeze(e: Emitter, x: Ref, dim: int) -> Ref:
    """Translate unsqueeze."""
    return e.emit("Unsqueeze", x, axes=(dim % (len(x.shape) + 1),))


def squeeze(e: Emitter, x: Ref, dims: int | Sequence[int]) -> Ref:
    """Translate squeeze of given axes; an axis of another size than 1 stays, as in torch."""
    wanted = axes_of([dims] if isinstance(dims, int) else dims, len(x.shape))
    axes = tuple(axis for axis in wanted if x.shape[axis] == 1)
    return e.emit("Squeeze", x, axes=axes) if axes else x


def slice_axis(
    e: Emitter, x: Ref, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Ref:
    """Translate slice."""
    start, end = start or 0, FULL_SLICE if not isinstance(end, int) else end
    size = x.shape[dim]
    if start == 0 and step == 1 and (end >= FULL_SLICE or end == size):
        return x
    return _slice(e, x, dim, start, min(end, FULL_SLICE), step, e.shape)


def select(e: Emitter, x: Ref, dim: int, index: int) -> Ref:
    """Translate select: one place along an axis, which vanishes."""
    axis = dim % len(x.shape)
    end = index + 1 if index != -1 else FULL_SLICE
    kept = _slice(e, x, axis, index, end, 1, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))
    return e.emit("Squeeze", kept, axes=(axis,))


def split(e: Emitter, x: Ref, sizes: Any, dim: int = 0) -> list[Ref]:
    """Translate split, split_with_sizes and chunk; the traced shapes give the sizes."""
    axis = dim % len(x.shape)
    parts = tuple(shape[axis] for shape in e.shapes)
    return e.emit_many("Split", [x], e.shapes, {"axis": axis, "split": parts})


def unbind(e: Emitter, x: Ref, dim: int = 0) -> list[Ref]:
    """Translate unbind: split into single places, then squeeze each."""
    axis = dim % len(x.shape)
    one = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    parts = e.emit_many("Split", [x], [one] * len(e.shapes), {"axis": axis, "split": (1,) * len(e.shapes)})
    return [e.emit("Squeeze", part, axes=(axis,), gives=shape) for part, shape in zip(parts, e.shapes, strict=True)]


def concatenate(e: Emitter, tensors: Sequence[Ref], dim: int = 0) -> Ref:
    """Translate cat; a class token, the same for every image of the batch, is padded in and added."""
    axis = dim % len(e.shape)
    fixed = [t for t in tensors if t.value is not None and e.shape[0] is None and t.shape[0] == 1]
    if not fixed:
        return e.emit("Concat", *tensors, axis=axis)
    return _join_fixed(e, tensors, axis)


def stack(e: Emitter, tensors: Sequence[Ref], dim: int = 0) -> Ref:
    """Translate stack."""
    axis = dim % len(e.shape)
    one = (*e.shape[:axis], 1, *e.shape[axis + 1 :])
    return e.emit("Concat", *[e.emit("Unsqueeze", t, axes=(axis,), gives=one) for t in tensors], axis=axis)


def expand(e: Emitter, x: Ref, *args: Any, **kwargs: Any) -> Ref:
    """Translate expand: nothing, since the operations that read it broadcast by themselves."""
    readers = {str(user.target).split(".")[1].rstrip("_") for user in e.node.users}
    if readers <= {"add", "sub", "mul", "div"} or (readers == {"cat"} and x.value is not None):
        return x
    raise Unsupported(f"{e.node.name}: expand is implemented before add, sub, mul and div only, not {sorted(readers)}")


def pad(e: Emitter, x: Ref, pads: Sequence[int], mode: str = "constant", value: Number | None = None) -> Ref:
    """Translate pad; torch counts (before, after) pairs from the last axis, ONNX all befores, then all afters."""
    if not any(pads):
        return x
    if mode not in PAD_MODES:
        raise Unsupported(f"padding of mode {mode!r} is not implemented; {', '.join(PAD_MODES)} are")
    absent = (0,) * (len(x.shape) - len(pads) // 2)
    flat = absent + tuple(pads[-2::-2]) + absent + tuple(pads[::-2])
    return e.emit("Pad", x, pads=flat, mode=PAD_MODES[mode], value=float(value or 0.0))


def constant_pad(e: Emitter, x: Ref, pads: Sequence[int], value: Number = 0) -> Ref:
    """Translate constant_pad_nd."""
    return pad(e, x, pads, value=value)


def pixel_shuffle(e: Emitter, x: Ref, factor: int) -> Ref:
    """Translate pixel_shuffle."""
    return e.emit("DepthToSpace", x, blocksize=factor, mode="CRD")


def upsample_bilinear(e: Emitter, x: Ref, size: Any, align_corners: bool, scales: Any = None) -> Ref:
    """Translate upsample_bilinear2d."""
    return _resize(e, x, scales, "linear", "align_corners" if align_corners else "half_pixel")


def upsample_nearest(e: Emitter, x: Ref, size: Any, scales: Any = None) -> Ref:
    """Translate upsample_nearest2d."""
    return _resize(e, x, scales, "nearest", "asymmetric")


def _slice(e: Emitter, x: Ref, dim: int, start: int, end: int, step: int, shape: Shape) -> Ref:
    axis = dim % len(x.shape)
    return e.emit("Slice", x, starts=(start,), ends=(end,), axes=(axis,), steps=(step,), gives=shape)


def _resize(e: Emitter, x: Ref, scales: Sequence[float] | None, mode: str, coordinates: str) -> Ref:
    before, after = fixed(x.shape[2:]), fixed(e.shape[2:])
    factors = tuple(scales or (_factor(*pair) for pair in zip(before, after, strict=True)))
    return e.emit(
        "Resize",
        x,
        scales=(1.0, 1.0, *factors),
        mode=mode,
        coordinate_transformation_mode=coordinates,
        nearest_mode="floor",
    )


def _factor(before: int, after: int) -> float:
    """Give the least float32 that is no less than after / before: with less, 73 / 19 times 19 is 72 whole pixels."""
    near = np.float32(after / before)
    return float(near if float(near) >= after / before else np.nextafter(near, np.float32(np.inf)))


def _join_fixed(e: Emitter, tensors: Sequence[Ref], axis: int) -> Ref:
    """Join one tensor of the batch with tensors that are the same for every image: pad it, add them in their place."""
    moving = [t for t in tensors if t.value is None]
    if len(moving) != 1:
        raise Unsupported("cat of several tensors of the batch with a fixed one is not implemented")
    [x] = moving
    zeros = torch.zeros((1, *fixed(x.shape[1:])))
    added = torch.cat([zeros if t.value is None else t.value for t in tensors], axis)
    place = next(i for i, t in enumerate(tensors) if t.value is None)
    before = sum(fixed((t.shape[axis],))[0] for t in tensors[:place])
    after = sum(fixed((t.shape[axis],))[0] for t in tensors[place + 1 :])
    pads = [0] * 2 * len(x.shape)
    pads[axis], pads[axis + len(x.shape)] = before, after
    return e.emit("Add", e.emit("Pad", x, pads=tuple(pads), mode="constant", value=0.0), e.constant("fixed", added))
