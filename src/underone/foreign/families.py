"""Detectors whose files hold bare heads: known by the sizes of their outputs, completed by their family's rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from ..boxes.families import SSD_STRIDES, Size, map_sizes, tf_ssd, ultraface
from ..graph import Graph, Node
from ..spec import AnchorGrid, DetectionSpec, OutputSpec, Preparation
from .detector import as_detector
from .foreign_file import Network

_DECODES = "Exp"  # the operation that only the decoding of boxes has


@dataclass(frozen=True)
class Family:
    """One row of the table of detectors.

    Attributes:
        name: for messages.
        grids: makes the anchors for a size of the picture.
        detection: of `DetectionSpec`, beside anchors and activation.
        activation: of scores that the file leaves as they are.
        preparation: of `Preparation`, where the file says none.
        classes: outputs for one anchor; None: any number.
        labels: class names by class id.
    """

    name: str
    grids: Callable[[Size], tuple[AnchorGrid, ...]]
    detection: Mapping[str, Any]
    activation: str
    preparation: Mapping[str, Any]
    classes: int | None = None
    labels: tuple[str, ...] | None = None


FAMILIES: tuple[Family, ...] = (
    Family(
        "UltraFace",
        ultraface,
        MappingProxyType({"score_threshold": 0.7, "iou_threshold": 0.3}),
        "softmax",
        MappingProxyType({"range": (0.0, 255.0), "mean": (127.0,) * 3, "std": (128.0,) * 3}),
        classes=2,
        labels=("face",),
    ),
    Family(
        "TensorFlow Object Detection API",
        lambda picture: tf_ssd(map_sizes(picture, SSD_STRIDES), picture),
        MappingProxyType({"code": "yxhw", "iou_threshold": 0.6, "top_k": 4096}),
        "sigmoid",
        MappingProxyType({"range": (-1.0, 1.0)}),
    ),
)  # fmt: skip


class _Heads(NamedTuple):
    picture: Size
    boxes: OutputSpec
    scores: OutputSpec


def as_known_detector(network: Network) -> Network:
    """Complete the spec of a network with the bare heads of a detector that we know; give any other as it is.

    A network with one picture input and two outputs, (N, anchors, 4) and (N, anchors, classes), is a detector of the
    family that has as many anchors for a picture of that size.
    """
    heads = _heads(network.graph)
    if heads is None or network.graph.spec.task is not None:
        return network
    for family in FAMILIES:
        grids = family.grids(heads.picture)
        rows = sum(grid.count for grid in grids), family.classes or heads.scores.shape[2]
        if rows == heads.scores.shape[1:]:
            return _completed(network, heads, family, grids)
    return network


def _heads(graph: Graph) -> _Heads | None:
    spec = graph.spec
    if len(spec.inputs) != 1 or len(spec.outputs) != 2 or any(len(o.shape) != 3 for o in spec.outputs):
        return None
    shape = spec.input.shape
    if len(shape) != 4 or shape[1] != 3 or spec.input.layout != "NCHW" or not shape[2] or not shape[3]:
        return None
    boxes, scores = sorted(spec.outputs, key=lambda o: (o.shape[2] != 4, "box" not in o.name))
    if boxes.shape[2] != 4 or scores.shape[1] != boxes.shape[1] or not scores.shape[2]:
        return None
    return _Heads((shape[2], shape[3]), boxes, scores)


def _completed(network: Network, heads: _Heads, family: Family, grids: tuple[AnchorGrid, ...]) -> Network:
    graph = network.graph
    makers = {name: node for node in graph.nodes for name in node.outputs}
    is_settled = heads.scores.name in makers and makers[heads.scores.name].op in ("Sigmoid", "Softmax")
    is_decoded = _DECODES in _before_convolutions(makers, heads.boxes.name)
    detection = DetectionSpec.model_validate({
        **family.detection,
        "anchors": () if is_decoded else grids,
        "activation": "none" if is_settled else family.activation,
    })  # fmt: skip
    made = as_detector(
        network,
        (heads.boxes.name, "boxes" if is_decoded else "box_codes"),
        (heads.scores.name, "probabilities" if is_settled else "logits"),
        detection,
        (f"as many anchors as {family.name} has: its anchors, code, thresholds and preparation are assumed",),
    )
    spec = made.graph.spec
    labels = family.labels if spec.labels is None else spec.labels
    if spec.input.preparation is None:
        how = Preparation.model_validate({"resize": "squeeze", **family.preparation})
        spec = spec.model_copy(update={"inputs": (spec.input.model_copy(update={"preparation": how}),)})
    return made._replace(graph=replace(made.graph, spec=spec.model_copy(update={"labels": labels})))


def _before_convolutions(makers: Mapping[str, Node], name: str) -> set[str]:
    """Give the operators between the last convolutions and an output."""
    found: set[str] = set()
    seen, stack = set[str](), [name]
    while stack:
        node = makers.get(stack.pop())
        if node is None or node.op == "Conv" or node.outputs[0] in seen:
            continue
        seen.add(node.outputs[0])
        found.add(node.op)
        stack += node.inputs
    return found
