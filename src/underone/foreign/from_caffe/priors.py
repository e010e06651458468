"""Prior boxes of an SSD: where each box starts from, fixed when the sizes of map and picture are.

Source: Liu et al., SSD (arXiv 1512.02325), section 2.2; weiliu89/caffe, prior_box_layer.cpp.
"""

import math

import numpy as np

from ...graph import Array
from .call import Call

_MOST_BOXES = 1 << 19  # SSD512 has 24,564


def prior_box(call: Call) -> str:
    """PriorBox: (1, 2, boxes * 4) corners x1 y1 x2 y2 relative to the picture, and their variances."""
    if len(call.inputs) != 2:
        raise call.bad(f"reads {len(call.inputs)} blobs; the map and the picture are required")
    height, width = call.builder.fixed_shape(call.x, (2, 3))
    picture = call.builder.fixed_shape(call.inputs[1], (2, 3))
    sizes = box_sizes(call)
    if height * width * len(sizes) > _MOST_BOXES:
        raise call.bad(f"has {len(sizes)} boxes on a map of {height} x {width}; at most {_MOST_BOXES} are read")
    call.builder.spend(f"layer {call.name!r} ({call.kind})", 8 * height * width * len(sizes))
    boxes = corners(call, (height, width), picture, sizes)
    return call.constant("priors", np.stack([boxes.ravel(), variances(call, len(boxes))])[None].astype(np.float32))


def box_sizes(call: Call) -> list[tuple[float, float]]:
    """Give (width, height) in pixels of the boxes at a place: for each size a square, one in between, the others."""
    least, most = call.param.numbers("min_size"), call.param.numbers("max_size")
    if not least or min(least) <= 0 or (most and len(most) != len(least)):
        raise call.bad(f"has min_size {least[:4]} and max_size {most[:4]}; as many of each, above 0, are required")
    found: list[tuple[float, float]] = []
    for i, size in enumerate(least):
        found.append((size, size))
        if most:
            between = math.sqrt(size * max(most[i], 0))
            found.append((between, between))
        found += [(size * math.sqrt(r), size / math.sqrt(r)) for r in _ratios(call)]
    return found


def _ratios(call: Call) -> list[float]:
    """Give the aspect ratios other than 1, each followed by its inverse where the layer flips."""
    found = [1.0]
    for ratio in call.param.numbers("aspect_ratio"):
        if ratio <= 0:
            raise call.bad(f"has aspect_ratio {ratio}; above 0 is required")
        if all(abs(ratio - r) >= 1e-6 for r in found):
            found += [ratio, 1 / ratio] if call.param.flag("flip", True) else [ratio]
    return found[1:]


def corners(call: Call, map_size: tuple[int, int], picture: tuple[int, ...], sizes: list[tuple[float, float]]) -> Array:
    """Give the boxes (map rows * columns * sizes, 4), row by row, x1 y1 x2 y2 as shares of the picture."""
    param, (height, width) = call.param, map_size
    rows, columns = (
        param.integer(f"img_{a}", param.integer("img_size", d)) for a, d in zip("hw", picture, strict=True)
    )
    step = param.number("step", 0.0)
    down = param.number("step_h", step) or rows / height
    right = param.number("step_w", step) or columns / width
    offset = param.number("offset", 0.5)
    y, x = np.meshgrid((np.arange(height) + offset) * down, (np.arange(width) + offset) * right, indexing="ij")
    half = np.asarray(sizes) / 2  # (sizes, 2): x, y
    centre = np.stack([x, y], -1)[:, :, None]  # (rows, columns, 1, 2)
    boxes = np.concatenate([centre - half, centre + half], -1).reshape(-1, 4) / [columns, rows, columns, rows]
    return np.clip(boxes, 0, 1) if param.flag("clip", False) else boxes


def variances(call: Call, boxes: int) -> Array:
    """Give the four variances of each box, flat; one stands for all, 0.1 where none is given."""
    given = call.param.numbers("variance") or [0.1]
    if len(given) not in (1, 4):
        raise call.bad(f"has {len(given)} variances; one or four are required")
    return np.tile(given * (4 // len(given)), boxes)
