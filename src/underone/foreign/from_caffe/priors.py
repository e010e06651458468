"""Prior boxes of an SSD: where each box starts from, fixed when the sizes of map and picture are.

Source: Liu et al., SSD (arXiv 1512.02325), section 2.2; weiliu89/caffe, prior_box_layer.cpp.
"""

from collections.abc import Sequence

import numpy as np

from ...boxes import anchor_boxes, corners
from ...boxes.families import prior_boxes
from ...spec import AnchorGrid
from ...spec.record import first_line
from .call import Call, Prior

_MOST_BOXES = 1 << 19  # SSD512 has 24,564


def prior_box(call: Call) -> str:
    """PriorBox: (1, 2, boxes * 4) corners x1 y1 x2 y2 relative to the picture, and their variances."""
    prior = _read(call)
    call.builder.spend(f"layer {call.name!r} ({call.kind})", 8 * prior.grid.count)
    boxes = corners(anchor_boxes([prior.grid], prior.clip))
    variances = np.tile(prior.variances, len(boxes))
    tensor = call.constant("priors", np.stack([boxes.ravel(), variances])[None].astype(np.float32))
    call.priors[tensor] = prior
    return tensor


def _read(call: Call) -> Prior:
    if len(call.inputs) != 2:
        raise call.bad(f"reads {len(call.inputs)} blobs; the map and the picture are required")
    size = call.builder.fixed_shape(call.x, (2, 3))
    least, most = call.param.numbers("min_size"), call.param.numbers("max_size")
    if not least or min(least) <= 0 or (most and len(most) != len(least)):
        raise call.bad(f"has min_size {least[:4]} and max_size {most[:4]}; as many of each, above 0, are required")
    ratios = _ratios(call)
    count = len(least) * (1 + bool(most) + len(ratios))
    if size[0] * size[1] * count > _MOST_BOXES:
        raise call.bad(f"has {count} boxes on a map of {size[0]} x {size[1]}; at most {_MOST_BOXES} are read")
    return Prior(_grid(call, (size[0], size[1]), least, most, ratios), call.param.flag("clip", False), _variances(call))


def _grid(
    call: Call, size: tuple[int, int], least: Sequence[float], most: Sequence[float], ratios: Sequence[float]
) -> AnchorGrid:
    param = call.param
    height, width = (
        param.integer(f"img_{axis}", param.integer("img_size", own))
        for axis, own in zip("hw", call.builder.fixed_shape(call.inputs[1], (2, 3)), strict=True)
    )
    step = param.number("step", 0.0)
    right = param.number("step_w", step) or width / size[1]
    down = param.number("step_h", step) or height / size[0]
    offset = param.number("offset", 0.5)
    try:
        return prior_boxes(size, (height, width), least, most, ratios, (right, down), offset)
    except (ValueError, ArithmeticError) as error:  # sizes that are no sizes
        raise call.bad(f"makes no boxes: {first_line(error)}") from error


def _ratios(call: Call) -> list[float]:
    """Give the aspect ratios other than 1, each followed by its inverse where the layer flips."""
    found = [1.0]
    for ratio in call.param.numbers("aspect_ratio"):
        if ratio <= 0:
            raise call.bad(f"has aspect_ratio {ratio}; above 0 is required")
        if all(abs(ratio - r) >= 1e-6 for r in found):
            found += [ratio, 1 / ratio] if call.param.flag("flip", True) else [ratio]
    return found[1:]


def _variances(call: Call) -> tuple[float, ...]:
    """Give the four variances of each box; one stands for all, 0.1 where none is given."""
    given = call.param.numbers("variance") or [0.1]
    if len(given) not in (1, 4):
        raise call.bad(f"has {len(given)} variances; one or four are required")
    return tuple(given * (4 // len(given)))
