"""The network of a name, with fresh weights; torch is needed from here on."""

from typing import TYPE_CHECKING, Any

from ..errors import BadFile, MissingExtra
from ..models.detectors import is_detector
from ..models.segmenters import is_segmenter
from ..weights import Checkpoint

if TYPE_CHECKING:
    from torch import nn

_SPARE = 1 << 24  # numbers that the network of a small file may have beside those of the file


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


def build_for(checkpoint: Checkpoint, name: str, **arguments: Any) -> "nn.Module":
    """Build the network whose sizes a file decides; its shapes are counted before any memory is taken.

    Raises:
        BadFile: the network would be much larger than the file.
        MissingExtra: torch is not installed.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtra(f"create_model({name!r})", "torch", "train") from error
    numbers = sum(array.size for array in checkpoint.network.weights.values())
    try:
        with torch.device("meta"):
            wanted = sum(tensor.numel() for tensor in build(name, **arguments).state_dict().values())
    except RuntimeError as error:  # sizes that no machine can count
        raise BadFile(f"{checkpoint.path}: its shapes are of no network: {str(error).splitlines()[0]}") from error
    if wanted > 2 * numbers + _SPARE:
        raise BadFile(
            f"{checkpoint.path}: its shapes are those of a network of {wanted} numbers, but it holds {numbers}; "
            "it is damaged"
        )
    return build(name, **arguments)
