"""A network that was read, as a detector: what its outputs mean, and how boxes are made of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ..spec import DetectionSpec
from .foreign_file import Network

Scores = Literal["logits", "probabilities"]
_SHOWN = 0.3  # files for evaluation keep boxes of any score; nobody wants to see those


def shown_from(stated: float) -> tuple[float, tuple[str, ...]]:
    """Give the score from which boxes are shown, and a sentence where that is not the score that a file states."""
    if stated >= _SHOWN:
        return stated, ()
    note = f"the file keeps boxes from a score of {stated:.3g} on; here it is {_SHOWN}, unless a threshold is given"
    return _SHOWN, (note,)


def as_detector(
    network: Network,
    boxes: tuple[str, Literal["box_codes", "boxes"]],
    scores: tuple[str, Scores],
    detection: DetectionSpec,
    notes: Sequence[str] = (),
) -> Network:
    """Write into the spec of a network that it detects, where its outputs have the shapes for it.

    Args:
        network: as its reader made it.
        boxes: the output with a box or a code for each anchor, (N, anchors, 4), and which of the two it is.
        scores: the output (N, anchors, classes), and what it means.
        detection: how the outputs become boxes.
        notes: sentences about what was assumed.

    Returns:
        The network with task, meanings and detection in its spec; or as it is, with a note, where the shapes differ.
    """
    spec = network.graph.spec
    shapes = {output.name: output.shape for output in network.graph.outputs}
    found, marks = shapes.get(boxes[0], ()), shapes.get(scores[0], ())
    count = detection.anchor_count if boxes[1] == "box_codes" else found[1:2] and found[1]
    if found[1:] != (count, 4) or len(marks) != 3 or marks[1] != count:
        note = f"no detector: outputs {found} and {marks} do not fit {count} anchors; (N, anchors, 4) and (N, anchors, "
        return network._replace(notes=(*network.notes, note + "classes) are required"))
    meanings = dict((boxes, scores))
    outputs = tuple(o.model_copy(update={"meaning": meanings.get(o.name, o.meaning)}) for o in spec.outputs)
    spec = spec.model_copy(update={"task": "detect", "outputs": outputs, "detection": detection})
    return Network(replace(network.graph, spec=spec), (*network.notes, *notes))
