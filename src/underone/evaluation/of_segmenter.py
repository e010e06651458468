"""A segmenter of any form as a callable on pictures."""

from collections.abc import Sequence

import numpy as np

from ..image import Pixels, prepare
from ..post import decode_segmentation
from ..spec import ModelSpec
from .of_detector import Run
from .segmentation import Mask, Segment


def segmenter_of(run: Run, spec: ModelSpec) -> Segment:
    """Return the function from pictures to the class of each pixel, at the size of each picture.

    Args:
        run: the network; takes as many pictures as it will be asked for.
        spec: of the network.
    """

    def segment(pictures: Sequence[Pixels]) -> list[Mask]:
        outputs = run(np.concatenate([prepare(picture, spec.input) for picture in pictures]))
        rows = [{name: array[i : i + 1] for name, array in outputs.items()} for i in range(len(pictures))]
        return [decode_segmentation(row, spec, p).mask for row, p in zip(rows, pictures, strict=True)]

    return segment
