"""The network of a name, with fresh weights; torch is needed from here on."""

from typing import TYPE_CHECKING, Any

from ..errors import MissingExtra
from ..models.detectors import is_detector
from ..models.segmenters import is_segmenter

if TYPE_CHECKING:
    from torch import nn


def build(name: str, **arguments: Any) -> "nn.Module":
    """Build a classifier, backbone, detector or segmenter; the arguments are those of its builder in `models`.

    Raises:
        MissingExtra: torch is not installed.
    """
    try:
        from ..models.build import build_model
        from ..models.build_detector import build_detector
        from ..models.build_segmenter import build_segmenter
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtra(f"create_model({name!r})", "torch", "train") from error
    make = build_detector if is_detector(name) else build_segmenter if is_segmenter(name) else build_model
    return make(name, **arguments)
