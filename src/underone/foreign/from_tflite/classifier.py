"""What a TFLite network is for: whether it classifies, and how a picture becomes its input."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ...spec import Preparation
from ..task import IMAGENET_CLASSES
from .metadata import Metadata
from .model_file import Tensor, TFLiteFile
from .real_values import real_range

Meaning = Literal["logits", "probabilities"]

_PASSING = ("RESHAPE", "SQUEEZE", "QUANTIZE", "DEQUANTIZE")
_COLORS: dict[int, Literal["RGB", "GRAY"]] = {1: "GRAY", 3: "RGB"}
_USUAL_RANGE = (-1.0, 1.0)  # of TensorFlow's own image networks


def meaning_of(file: TFLiteFile, outputs: Sequence[int]) -> Meaning | None:
    """Say what the one output of a classifier means; None where the network is none, or it is not known."""
    if len(outputs) != 1 or len(file.tensors[outputs[0]].shape) != 2:
        return None
    makers = {n: operator for operator in file.operators for n in operator.outputs}
    number, seen = outputs[0], 0
    while (maker := makers.get(number)) and maker.op in _PASSING and maker.inputs and seen < len(makers):
        number, seen = maker.inputs[0], seen + 1
    if maker is not None and maker.op == "SOFTMAX":
        return "probabilities"
    return "logits" if file.tensors[outputs[0]].shape[1] in IMAGENET_CLASSES else None


def preparation_of(
    file: TFLiteFile, inputs: Sequence[int], metadata: Metadata, classifies: bool
) -> tuple[Preparation | None, str]:
    """Say how a picture becomes the first input, and where that is known from; None where it is not."""
    tensor = file.tensors[inputs[0]]
    channels = tensor.shape[3] if len(tensor.shape) == 4 else 0
    if channels not in _COLORS:
        return None, ""
    own = file.inputs.index(inputs[0]) if inputs[0] in file.inputs else -1
    found = _values(tensor, metadata.mean.get(own, ()), metadata.std.get(own, ()), channels)
    if found is None and not classifies:
        return None, f"the file does not say how a picture becomes input {tensor.name!r}"
    known, how = found or ({"range": _USUAL_RANGE}, "assumed, for the file does not say it: bytes become -1 to 1")
    resize: Literal["cover", "squeeze"] = "cover" if classifies else "squeeze"
    plain = {"color": _COLORS[channels], "mean": (0.0,) * channels, "std": (1.0,) * channels}
    preparation = Preparation.model_validate({"resize": resize, **plain, **known})
    return preparation, f"preparation of input {tensor.name!r}: {how}"


def _values(
    tensor: Tensor, mean: tuple[float, ...], std: tuple[float, ...], channels: int
) -> tuple[dict[str, object], str] | None:
    if tensor.scaled is not None and np.dtype(tensor.dtype).itemsize == 1:
        return {"range": real_range(tensor.dtype, tensor.scaled)}, "bytes as they are, by the file's quantisation"
    if len(mean) != len(std) or len(mean) not in (1, channels) or not np.isfinite(mean + std).all() or min(std) <= 0:
        return None
    how = "by the file's metadata"
    if len(set(mean)) == len(set(std)) == 1:
        return {"range": ((0 - mean[0]) / std[0], (255 - mean[0]) / std[0])}, how
    return {"range": (0.0, 255.0), "mean": mean, "std": std}, how
