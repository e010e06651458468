"""What TFLite_Detection_PostProcess does with the heads of a detector, read from its settings and its anchors.

Source: tensorflow/lite/kernels/detection_postprocess.cc.
"""

from collections.abc import Mapping

import numpy as np

from ...boxes.grids import find_grids
from ...errors import BadFile
from ...graph import Array
from ...spec import DetectionSpec
from ...spec.record import first_line
from ..detector import shown_from
from .flexbuffer import read_numbers
from .model_file import Operator, TFLiteFile
from .real_values import real_values

_NAME = "TFLite_Detection_PostProcess"
_OPERANDS = 3  # codes, scores, anchors


def find_post_process(file: TFLiteFile) -> Operator | None:
    """Give the operator that makes all outputs of a detector; None where there is none."""
    found = [operator for operator in file.operators if operator.custom == _NAME]
    return found[0] if len(found) == 1 and set(file.outputs) <= set(found[0].outputs) else None


def detection_of(file: TFLiteFile, end: Operator) -> tuple[DetectionSpec, tuple[str, ...]]:
    """Say how the heads of a detector become boxes.

    Returns:
        The spec, and sentences about what was changed.

    Raises:
        BadFile: operands, settings or anchors are none that the operator takes.
    """
    if len(end.inputs) != _OPERANDS or min(end.inputs) < 0 or end.settings is None:
        raise BadFile(
            f"{file.where}: {_NAME} has {len(end.inputs)} operands; codes, scores, anchors and settings are required"
        )
    settings = read_numbers(end.settings)
    classes = file.tensors[end.inputs[1]].shape[-1:]
    threshold, notes = shown_from(settings.get("nms_score_threshold", 0.0))
    anchors = _anchors(file, end.inputs[2])
    try:
        detection = DetectionSpec(
            anchors=find_grids(anchors),
            code="yxhw",
            variances=_variances(settings),
            activation="none",
            background=0 if classes and classes[0] > settings.get("num_classes", classes[0]) else None,
            score_threshold=threshold,
            per_class=bool(settings.get("use_regular_nms", 0)),
            iou_threshold=settings.get("nms_iou_threshold", 0.5),
            top_k=len(anchors),
            max_per_class=int(_most(settings)),
            max_detections=int(settings.get("max_detections", 100)),
        )
    except (ValueError, ArithmeticError) as error:
        raise BadFile(f"{file.where}: {_NAME} makes no sense: {first_line(error)}") from error
    return detection, notes


def _most(settings: Mapping[str, float]) -> float:
    """Give the boxes of one class that are kept: the faster suppression knows no such limit."""
    regular = settings.get("use_regular_nms", 0)
    return settings.get("detections_per_class", 100) if regular else settings.get("max_detections", 100)


def _variances(settings: Mapping[str, float]) -> tuple[float, float, float, float]:
    x, y, w, h = (1 / settings.get(f"{axis}_scale", 1.0) for axis in "xywh")
    return x, y, w, h


def _anchors(file: TFLiteFile, number: int) -> Array:
    """Give the anchors as cx cy w h; the file has y x h w."""
    tensor = file.tensors[number]
    if tensor.value is None or tensor.value.ndim != 2 or tensor.value.shape[1] != 4:
        raise BadFile(
            f"{file.where}: the anchors of {_NAME} have shape {tensor.shape}; stored (anchors, 4) are required"
        )
    values = tensor.value if tensor.scaled is None else real_values(tensor.value, tensor.scaled)
    return np.asarray(values, np.float64)[:, [1, 0, 3, 2]]
