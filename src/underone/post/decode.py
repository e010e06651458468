"""decode: the outputs of any network into its answer; the task of its spec chooses how."""

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from ..errors import BadValue
from ..image import Pixels, Planes
from ..spec import ModelSpec
from .classification import Classification, decode_classification
from .detection import Detection, decode_detection
from .segmentation import Segmentation, decode_segmentation

Answer = Classification | Detection | Segmentation

_DECODERS: Mapping[str, Callable[..., Answer]] = {
    "classify": decode_classification,
    "detect": decode_detection,
    "segment": decode_segmentation,
}


def decode(outputs: Mapping[str, NDArray[Any]], spec: ModelSpec, picture: Pixels | Planes | None = None) -> Answer:
    """Turn the outputs of a network for one picture into its answer.

    Args:
        outputs: by name, as `Engine.run` gives them, for one picture: of a classifier floats (1, classes) or
            (1, classes, 1, 1); of a detector what `find_boxes` takes; of a segmenter what
            `decode_segmentation` takes.
        spec: of the network; its task chooses the decoder.
        picture: what the network saw, uint8 (H, W, 3) RGB or `Planes`, to be drawn on; a detector and a segmenter need
            its size.

    Raises:
        BadValue: the spec names no task with an answer or no output with scores, an output is NaN or infinite, or
            there are other labels than classes.
        ShapeError: the outputs are not of one picture, or of another shape than the spec says.
    """
    decoder = _DECODERS.get(spec.task or "")
    if decoder is None:
        raise BadValue(
            f"{spec.name!r} has the task {spec.task!r}, which has no answer to decode; decoded are {[*_DECODERS]}"
        )
    return decoder(outputs, spec, picture)
