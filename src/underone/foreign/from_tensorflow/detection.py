"""What the Object Detection API's graphs do behind their network, read from their own constants.

Source: tensorflow/models, object_detection/meta_architectures/ssd_meta_arch.py, box_coders/faster_rcnn_box_coder.py,
core/post_processing.py.
"""

from collections.abc import Callable, Mapping

import numpy as np

from ...boxes import centres
from ...boxes.grids import find_grids
from ...errors import BadFile, Unsupported
from ...graph import Array
from ...spec import DetectionSpec
from ...spec.record import first_line
from ..detector import shown_from
from .graph_def import TfNode

_DECODE = "Postprocessor/Decode/unstack"  # of the codes, in their own order: y, x, h, w
_ANCHORS = "Postprocessor/ExpandDims"  # reads them as corners y1 x1 y2 x2
_SCORES = "Postprocessor/Slice"  # leaves out the background
_SUPPRESSION = "Postprocessor/BatchMultiClassNonMaxSuppression/"
_STEPS = 8  # nodes that pass a number on


def detection_of(
    nodes: Mapping[str, TfNode], constant: Callable[[str], Array | None], where: str
) -> tuple[DetectionSpec, tuple[str, ...]] | None:
    """Say how the heads of a graph become boxes; None where it is no detector of the Object Detection API.

    Args:
        nodes: of the graph.
        constant: gives what a tensor is, where that follows from constants alone; else None.
        where: the file's name.

    Returns:
        The spec, and sentences about what was assumed. Scores are those behind the graph's own score converter.

    Raises:
        BadFile: the graph's constants are none that a detector can have.
    """
    reader = nodes.get(_ANCHORS)
    anchors = constant(reader.inputs[0]) if reader is not None and reader.inputs else None
    if anchors is None or anchors.ndim != 2 or anchors.shape[1] != 4:
        return None
    limits, notes = _limits(nodes)
    try:
        detection = DetectionSpec(
            anchors=find_grids(centres(anchors[:, [1, 0, 3, 2]].astype(np.float64))),
            code="yxhw",
            variances=_variances(nodes),
            activation="none",
            background=0 if _SCORES in nodes else None,
            top_k=max(len(anchors), 1),
            **limits,
        )
    except ValueError as error:
        raise BadFile(f"{where}: the detector's constants make no sense: {first_line(error)}") from error
    return detection, notes


def _variances(nodes: Mapping[str, TfNode]) -> tuple[float, float, float, float]:
    """Give the factors of x, y, w, h: 1 / what the graph divides each number of a code by."""
    found = [1.0] * 4  # y, x, h, w
    for node in nodes.values():
        if node.op == "RealDiv" and len(node.inputs) == 2 and node.inputs[0].partition(":")[0] == _DECODE:
            place, divisor = int(node.inputs[0].partition(":")[2] or 0), _number(nodes, node.inputs[1])
            if place < 4 and divisor:
                found[place] = 1 / divisor
    return found[1], found[0], found[3], found[2]


def _limits(nodes: Mapping[str, TfNode]) -> tuple[dict[str, float | int], tuple[str, ...]]:
    """Give thresholds and limits of the suppression, and say what was changed or assumed."""
    within = [node for node in nodes.values() if node.name.startswith(_SUPPRESSION)]
    suppression = next((n for n in within if n.op.startswith("NonMaxSuppression") and len(n.inputs) > 3), None)
    if suppression is None:
        return {}, ("the graph suppresses no overlaps; assumed: intersection over union 0.5",)
    per_class = _first(nodes, within, "MultiClassNonMaxSuppression/Minimum/x")
    most = _first(nodes, within, "PadOrClipBoxList/Select/t") or per_class
    limits: dict[str, float | int] = {"iou_threshold": _number(nodes, suppression.inputs[3]) or 0.5}
    limits |= {"max_per_class": int(per_class)} if per_class else {}
    limits |= {"max_detections": int(most)} if most else {}
    limits["score_threshold"], notes = shown_from(_score_threshold(nodes, within, suppression))
    return limits, notes


def _score_threshold(nodes: Mapping[str, TfNode], within: list[TfNode], suppression: TfNode) -> float:
    """Give the score from which boxes are kept: an operand of the suppression, or of a filter before it."""
    operand = _number(nodes, suppression.inputs[4]) if len(suppression.inputs) > 4 else None
    return operand or _first(nodes, within, "FilterGreaterThan/Greater/y") or 0.0


def _first(nodes: Mapping[str, TfNode], within: list[TfNode], end: str) -> float | None:
    """Give the number that the first constant with such a name holds."""
    return next((_number(nodes, node.name) for node in within if node.name.endswith(end)), None)


def _number(nodes: Mapping[str, TfNode], tensor: str) -> float | None:
    """Give the one number of a constant, also behind nodes that pass it on; None where it is none."""
    node = nodes.get(tensor)
    for _ in range(_STEPS):
        if node is not None and node.op in ("Identity", "Enter") and node.inputs:
            node = nodes.get(node.inputs[0])
    if node is None or node.op != "Const":
        return None
    try:
        value = node.tensor()
    except Unsupported:  # a text
        return None
    return float(value.ravel()[0]) if value.size == 1 and np.isfinite(value).all() else None
