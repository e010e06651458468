"""How often two forms of a network give the same answer on the packaged photographs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...boxes import iou
from ...errors import UnderOneError
from ...graph import Array
from ...image import photographs, prepare, read_image
from ...post import Classification, Detection, Segmentation, decode
from ..forms import Form
from ..parity import renamed
from ..pictures import on_common_inputs

_SAME_BOX = 0.9  # intersection over union
TASKS = ("classify", "detect", "segment")


def agreement(form: Form, reference: Form) -> float | None:
    """Give the share of answers that are the reference's, 0 to 1; None: the spec has no answer, or there was none.

    For a classifier the best class of each photograph; for a detector the boxes of both that have a partner of the same
    class in the other, overlapping by 0.9; for a segmenter the pixels.
    """
    spec = reference.spec
    if spec.task not in TASKS or spec.input.preparation is None:
        return None
    tested, wanted, inputs = on_common_inputs(form, reference)
    size = next(iter(inputs.values())).shape[2:]
    shares = []
    for photograph in photographs():
        pixels = read_image(photograph.content)
        tensor = prepare(pixels, wanted.spec.input, size)
        want = wanted.run({wanted.spec.input.name: tensor})
        got = renamed(tested.run({tested.spec.input.name: tensor}), tested, wanted)
        shares += _share(_answer(got, spec, pixels), _answer(want, spec, pixels))
    return float(np.mean(shares)) if shares else None


def _answer(outputs: Mapping[str, Array], spec: Any, pixels: Any) -> Any:
    try:
        return decode(outputs, spec, pixels)
    except UnderOneError:
        return None  # values that are no answer, as those of fresh weights may be


def _share(got: Any, want: Any) -> list[float]:
    if isinstance(want, Classification) and isinstance(got, Classification):
        return [float(got.top(1)[0].index == want.top(1)[0].index)]
    if isinstance(want, Segmentation) and isinstance(got, Segmentation):
        return [float(np.mean(got.mask == want.mask))]
    if isinstance(want, Detection) and isinstance(got, Detection):
        return _same_boxes(got, want)
    return [] if got is None and want is None else [0.0]


def _same_boxes(got: Detection, want: Detection) -> list[float]:
    """Say of every box of both whether the other has it."""
    if not len(got.boxes) or not len(want.boxes):
        return [0.0] * (len(got.boxes) + len(want.boxes))
    same = (iou(got.boxes, want.boxes) >= _SAME_BOX) & (got.class_ids[:, None] == want.class_ids)
    return [*map(float, same.any(1)), *map(float, same.any(0))]
