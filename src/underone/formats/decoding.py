"""A detector's codes and class outputs → boxes and scores: as nodes of a graph, and in numpy, to hold them against."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..boxes import anchor_boxes, decode
from ..boxes.coding import MOST_LOG, centres
from ..errors import BadValue, Unsupported
from ..graph import Array, Graph, Node, Value
from ..post import softmax
from ..spec import DetectionSpec, ModelSpec, OutputSpec
from .forms import Form

COORDINATES, CONFIDENCE = "raw_coordinates", "raw_confidence"
PLACES, SCORES = "boxes.places", "boxes.scores"  # (1, A, 4) centre and size; (1, A, classes)
_Step = tuple[str, str, str, dict[str, Any]]  # operator, its inputs, its outputs, attributes
_OUTPUTS = (OutputSpec(name=CONFIDENCE), OutputSpec(name=COORDINATES))


def with_decoding(graph: Graph) -> Graph:
    """Let a detector of one picture give centre and size of each anchor's box, (A, 4), and its scores, (A, classes).

    Both are shares, computed in float32 also behind a network in float16: a share of float16 is off by pixels.

    Raises:
        BadValue: it is no detector with box codes and class outputs.
        Unsupported: boxes are cut at the border of the picture before they are compared.
    """
    how, codes, scores = _outputs(graph.spec)
    nodes, constants = decoder(graph.spec, how, codes, scores)
    places, shares = (how.anchor_count, 4), (how.anchor_count, graph.spec.classes or 0)
    last = (
        Node("Reshape", (PLACES,), (COORDINATES,), {"shape": places}, COORDINATES),
        Node("Reshape", (SCORES,), (CONFIDENCE,), {"shape": shares}, CONFIDENCE),
    )
    outputs = (Value(CONFIDENCE, shares), Value(COORDINATES, places))
    spec = graph.spec.model_copy(update={"outputs": _OUTPUTS})
    constants = {**graph.constants, **constants}
    return replace(graph, nodes=graph.nodes + nodes + last, outputs=outputs, constants=constants, spec=spec)


def decoder(spec: ModelSpec, how: DetectionSpec, codes: str, scores: str) -> tuple[tuple[Node, ...], dict[str, Array]]:
    """Give the nodes, with their constants, from the outputs of a detector for one picture to `PLACES` and `SCORES`.

    Args:
        spec: of the network; how many classes it knows.
        how: boxes are made.
        codes: name of the output (1, A, 4) with the box codes.
        scores: name of the class outputs, (1, A, classes), with one for "no object" where there is one.
    """
    anchors, classes = anchor_boxes(how.anchors, how.clip_anchors), spec.classes or 0
    order = [1, 0, 3, 2] if how.code == "yxhw" else [0, 1, 2, 3]
    objects = [i for i in range(classes + (how.background is not None)) if i != how.background]
    constants: dict[str, Array] = {
        "boxes.order": np.array(order, np.int64),
        "boxes.variances": np.array(how.variances, np.float32),
        "boxes.anchor_sizes": anchors[:, 2:],
        "boxes.anchor_centres": anchors[:, :2],
        "boxes.classes": np.array(objects, np.int64),
    }
    steps: list[_Step] = [
        ("Gather", "boxes.codes boxes.order", "boxes.ordered", {"axis": 2}),
        ("Mul", "boxes.ordered boxes.variances", "boxes.scaled", {}),
        ("Split", "boxes.scaled", "boxes.offsets boxes.extents", {"axis": 2, "split": (2, 2)}),
        ("Mul", "boxes.offsets boxes.anchor_sizes", "boxes.moved", {}),
        ("Add", "boxes.moved boxes.anchor_centres", "boxes.centres", {}),
        *_shares(how),
        ("Mul", "boxes.shares boxes.anchor_sizes", "boxes.sizes", {}),
        ("Concat", "boxes.centres boxes.sizes", PLACES, {"axis": 2}),
        _activation(how),
        ("Gather", "boxes.activated boxes.classes", SCORES, {"axis": 2}),
    ]
    given = {"boxes.codes": codes, "boxes.outputs": scores}
    nodes = tuple(
        Node(op, tuple(given.get(n, n) for n in inputs.split()), tuple(outputs.split()), attrs, outputs.split()[0])
        for op, inputs, outputs, attrs in steps
    )
    return nodes, constants


def _shares(how: DetectionSpec) -> list[_Step]:
    if how.sizes == "linear":
        return [("Identity", "boxes.extents", "boxes.shares", {})]
    return [
        ("Clip", "boxes.extents", "boxes.logs", {"min": -MOST_LOG, "max": MOST_LOG}),
        ("Exp", "boxes.logs", "boxes.shares", {}),
    ]


def _activation(how: DetectionSpec) -> _Step:
    if how.activation == "none":
        return ("Identity", "boxes.outputs", "boxes.activated", {})
    attrs = {"axis": 2} if how.activation == "softmax" else {}
    return (how.activation.capitalize(), "boxes.outputs", "boxes.activated", attrs)


def decoded(form: Form) -> Form:
    """Let a detector give what `with_decoding` promises, by the decoding that answers are made with."""
    how, codes, scores = _outputs(form.spec)
    anchors = anchor_boxes(how.anchors, how.clip_anchors)

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        found = form.run(inputs)
        values = np.asarray(found[scores][0], np.float64)
        if how.activation != "none":
            values = softmax(values) if how.activation == "softmax" else 1 / (1 + np.exp(-values))
        kept = values if how.background is None else np.delete(values, how.background, 1)
        return {CONFIDENCE: kept, COORDINATES: centres(decode(found[codes][0], anchors, how))}

    return replace(form, spec=form.spec.model_copy(update={"outputs": _OUTPUTS}), run=run, graph=None)


def _outputs(spec: ModelSpec) -> tuple[DetectionSpec, str, str]:
    """Give how boxes are made, and the names of codes and class outputs."""
    names = {o.meaning: o.name for o in spec.outputs}
    scores = names.get("logits", names.get("probabilities"))
    if spec.detection is None or "box_codes" not in names or scores is None:
        raise BadValue(f"nms=True: {spec.name!r} is no detector with box codes and logits; its task is {spec.task!r}")
    how = spec.detection
    if how.nms != "hard" or not how.per_class or how.clip_boxes == "before":
        raise Unsupported(
            f"nms=True: {spec.name!r} suppresses in the way {how.nms!r}, per_class={how.per_class}, boxes cut "
            f"{how.clip_boxes} it; this format has only 'hard', class by class, cut after: export without nms"
        )
    return how, names["box_codes"], scores
