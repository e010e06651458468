"""Caffe's layers that only move numbers: join, cut, reshape, turn."""

import itertools

from .call import Call


def concat(call: Call) -> str:
    """Concat; old files call the axis concat_dim."""
    return call.add("Concat", call.inputs, axis=call.axis(call.param.integer("concat_dim", 1)))


def slices(call: Call) -> list[str]:
    """Slice: at the points given, or in equal parts."""
    axis = call.axis(call.param.integer("slice_dim", 1))
    (size,) = call.builder.fixed_shape(call.x, [axis])
    points = call.param.integers("slice_point") or [size * i // call.tops for i in range(1, call.tops)]
    ends = [0, *points, size]
    parts = tuple(b - a for a, b in itertools.pairwise(ends))
    if len(parts) != call.tops or min(parts) <= 0:
        raise call.bad(f"cuts {size} channels at {points[:8]} into {call.tops} blobs")
    return call.builder.add_many(
        "Split", [call.x], [f"{call.name}/{i}" for i in range(call.tops)], axis=axis, split=parts
    )


def flatten(call: Call) -> str:
    """Flatten the axes from one to another; the batch may stay open."""
    first, last = call.axis(), call.axis(-1, "end_axis")
    shape = call.builder.shape(call.x)
    kept = call.builder.fixed_shape(call.x, range(last + 1, len(shape)))
    return call.add("Reshape", [call.x], shape=(*(0,) * first, -1, *kept))


def reshape(call: Call) -> str:
    """Reshape all axes, or those from one on; 0 keeps a size, -1 takes what is left."""
    sizes, axis = call.param.fields("shape").integers("dim"), call.param.integer("axis")
    if call.param.integer("num_axes", -1) != -1:
        raise call.unsupported("reshapes some axes in the middle; all behind the first of them are read")
    before = axis if axis >= 0 else axis + call.builder.rank(call.x) + 1
    if not 0 <= before <= 8 or len(sizes) > 8:
        raise call.bad(f"reshapes from axis {axis} on to {sizes[:8]}")
    return call.add("Reshape", [call.x], shape=(*(0,) * before, *sizes))


def permute(call: Call) -> str:
    """Permute; axes that are not named follow in their order."""
    order, rank = call.param.integers("order"), call.builder.rank(call.x)
    return call.add("Transpose", [call.x], perm=(*order, *(i for i in range(rank) if i not in order)))


def argmax(call: Call) -> str:
    """ArgMax along one axis, as numbers."""
    if call.param.integer("top_k", 1) != 1 or call.param.flag("out_max_val", False) or "axis" not in call.param:
        raise call.unsupported("gives several or flattened answers; the index of the largest along an axis is read")
    return call.add("Cast", [call.add("ArgMax", [call.x], "index", axis=call.axis(), keepdims=1)], to="float32")


def crop(call: Call) -> str:
    """Crop the first blob to the sizes of the second, from one axis on."""
    if len(call.inputs) != 2:
        raise call.bad(f"reads {len(call.inputs)} blobs; two are required")
    axes = tuple(range(call.axis(2), call.builder.rank(call.x)))
    sizes = call.builder.fixed_shape(call.inputs[1], axes)
    offsets = call.param.integers("offset") or [0]
    offsets = offsets if len(offsets) == len(axes) else offsets * len(axes)
    if len(offsets) != len(axes):
        raise call.bad(f"has {len(call.param.integers('offset'))} offsets for {len(axes)} axes")
    ends = tuple(o + s for o, s in zip(offsets, sizes, strict=True))
    return call.add("Slice", [call.x], starts=tuple(offsets), ends=ends, axes=axes, steps=(1,) * len(axes))


def tile(call: Call) -> str:
    """Tile: repeat along one axis."""
    repeats = [1] * call.builder.rank(call.x)
    repeats[call.axis()] = call.param.integer("tiles")
    return call.add("Tile", [call.x], repeats=tuple(repeats))


def shuffle(call: Call) -> str:
    """ShuffleChannel of forks: (group, C / group) channels become (C / group, group)."""
    group = call.param.integer("group", 1)
    channels, height, width = call.builder.fixed_shape(call.x, (1, 2, 3))
    if group < 1 or channels % group:
        raise call.bad(f"shuffles {channels} channels in {group} groups")
    apart = call.add("Reshape", [call.x], "apart", shape=(0, group, channels // group, height * width))
    turned = call.add("Transpose", [apart], "turned", perm=(0, 2, 1, 3))
    return call.add("Reshape", [turned], shape=(0, channels, height, width))
