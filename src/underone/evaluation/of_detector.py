"""A detector of any form as a callable on pictures."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadValue
from ..image import Pixels, prepare
from ..post import decode_detection
from ..spec import ModelSpec
from .coco import Answers
from .detection import LOWEST, Detect

log = logging.getLogger("underone")

Run = Callable[[NDArray[np.float32]], Mapping[str, NDArray[Any]]]  # (N, C, H, W) → outputs by name


def detector_of(run: Run, spec: ModelSpec) -> Detect:
    """Return the function from pictures to what is found in each.

    Args:
        run: the network; takes as many pictures as it will be asked for.
        spec: of the network. Boxes are asked for down to a score of 0.01, whatever it says; a file that suppresses
            overlaps itself keeps its own threshold, and the log says so.

    Raises:
        BadValue: the spec is of no detector.
    """
    if spec.detection is None:
        raise BadValue(f"{spec.name!r} has the task {spec.task!r} and no anchors; a detector is required")

    threshold = spec.detection.score_threshold
    if threshold > LOWEST and any(output.meaning == "scores" for output in spec.outputs):
        log.info("%s leaves out boxes below %g itself; the score of its network may be higher", spec.name, threshold)

    def detect(pictures: Sequence[Pixels]) -> list[Answers]:
        outputs = run(np.concatenate([prepare(picture, spec.input) for picture in pictures]))
        found = []
        for row, picture in enumerate(pictures):
            one = decode_detection({n: v[row : row + 1] for n, v in outputs.items()}, spec, picture, LOWEST)
            found.append(Answers(one.boxes, one.class_ids, one.scores))
        return found

    return detect
