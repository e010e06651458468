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
    anchors, classes = anchor_boxes(how.anchors, how.clip_anchors), graph.spec.classes or 0
    order = [1, 0, 3, 2] if how.code == "yxhw" else [0, 1, 2, 3]
    objects = [i for i in range(classes + (how.background is not None)) if i != how.background]
    constants: dict[str, Array] = {
        "box_order": np.array(order, np.int64),
        "box_variances": np.array(how.variances, np.float32),
        "box_anchor_sizes": anchors[:, 2:],
        "box_anchor_centres": anchors[:, :2],
        "box_classes": np.array(objects, np.int64),
    }
    steps: list[_Step] = [
        ("Gather", "box_codes_in box_order", "box_ordered", {"axis": 2}),
        ("Mul", "box_ordered box_variances", "box_scaled", {}),
        ("Split", "box_scaled", "box_offsets box_extents", {"axis": 2, "split": (2, 2)}),
        ("Mul", "box_offsets box_anchor_sizes", "box_moved", {}),
        ("Add", "box_moved box_anchor_centres", "box_centres", {}),
        *_shares(how),
        ("Mul", "box_shares box_anchor_sizes", "box_sizes", {}),
        ("Concat", "box_centres box_sizes", "box_places", {"axis": 2}),
        ("Reshape", "box_places", COORDINATES, {"shape": (len(anchors), 4)}),
        *_activation(how),
        ("Gather", "box_scores box_classes", "box_objects", {"axis": 2}),
        ("Reshape", "box_objects", CONFIDENCE, {"shape": (len(anchors), len(objects))}),
    ]
    given = {"box_codes_in": codes, "box_outputs": scores}
    nodes = tuple(
        Node(op, tuple(given.get(n, n) for n in inputs.split()), tuple(outputs.split()), attrs, outputs.split()[0])
        for op, inputs, outputs, attrs in steps
    )
    outputs = (Value(CONFIDENCE, (len(anchors), len(objects))), Value(COORDINATES, (len(anchors), 4)))
    spec = graph.spec.model_copy(update={"outputs": _OUTPUTS})
    return replace(
        graph, nodes=graph.nodes + nodes, outputs=outputs, constants={**graph.constants, **constants}, spec=spec
    )


def _shares(how: DetectionSpec) -> list[_Step]:
    if how.sizes == "linear":
        return [("Identity", "box_extents", "box_shares", {})]
    return [
        ("Clip", "box_extents", "box_logs", {"min": -MOST_LOG, "max": MOST_LOG}),
        ("Exp", "box_logs", "box_shares", {}),
    ]


def _activation(how: DetectionSpec) -> list[_Step]:
    if how.activation == "none":
        return [("Identity", "box_outputs", "box_scores", {})]
    attrs = {"axis": 2} if how.activation == "softmax" else {}
    return [(how.activation.capitalize(), "box_outputs", "box_scores", attrs)]


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
