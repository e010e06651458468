"""Whether a foreign network gives each point of its picture a class, and how its map lies on the picture."""

from dataclasses import replace
from typing import Literal

from ..graph import Graph
from ..graph.graph import Node
from ..graph.shapes import infer_shapes
from ..spec import VOC_CLASSES, SegmentationSpec

# what may stand behind the enlargement without changing which class wins
_PASSING = (
    "ArgMax", "Cast", "DequantizeLinear", "Identity", "QuantizeLinear", "Reshape", "Softmax", "Squeeze", "Transpose",
)  # fmt: skip
_CHANNELS_LAST = (0, 2, 3, 1)


def with_segmentation(graph: Graph) -> tuple[Graph, tuple[str, ...]]:
    """Complete the spec of a network that enlarges a map bilinearly and gives each of its points a class.

    Args:
        graph: its outputs are maps of class outputs, classes second or last, or the classes themselves.

    Returns:
        The graph, and sentences about what was assumed. Class outputs have the classes second. The same graph where it
        is no segmenter, or leaves its sizes open.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or None in graph.inputs[0].shape[1:]:
        return graph, ()
    chain = _chain(graph)
    ops, resize = [node.op for node in chain], chain[-1] if chain else None
    if resize is None or resize.op != "Resize" or resize.attrs.get("mode") != "linear":
        return graph, ()
    classes = infer_shapes(graph)[resize.outputs[0]].shape[1]
    meaning = _meaning(ops, len(graph.outputs[0].shape))
    if meaning is None or classes < 2:
        return graph, ()
    if chain[0].op == "Transpose" and chain[0].attrs.get("perm") == _CHANNELS_LAST and meaning != "label_map":
        graph = _without_transpose(graph, chain[0])
    return _described(graph, meaning, classes, resize)


def _chain(graph: Graph) -> list[Node]:
    """List the nodes from the output back to the first that calculates, that one included."""
    makers = {name: node for node in graph.nodes for name in node.outputs}
    chain: list[Node] = []
    node = makers.get(graph.outputs[0].name)
    while node is not None:
        chain.append(node)
        node = makers.get(node.inputs[0]) if node.op in _PASSING else None
    return chain


def _meaning(ops: list[str], rank: int) -> Literal["label_map", "logits", "probabilities"] | None:
    if "ArgMax" in ops:
        return "label_map" if rank in (3, 4) else None
    if rank != 4 or not {"Squeeze", "Reshape"}.isdisjoint(ops):
        return None
    return "probabilities" if "Softmax" in ops else "logits"


def _without_transpose(graph: Graph, last: Node) -> Graph:
    """Give the output as it is before its classes are moved behind the points, under the same name."""
    [output], inner = graph.outputs, last.inputs[0]

    def named(name: str) -> str:
        return output.name if name == inner else name

    nodes = tuple(
        replace(node, inputs=tuple(map(named, node.inputs)), outputs=tuple(map(named, node.outputs)))
        for node in graph.nodes
        if node is not last
    )
    n, h, w, classes = output.shape
    shape = (n, classes, h, w)
    described = graph.spec.outputs[0].model_copy(update={"shape": shape})
    spec = graph.spec.model_copy(update={"outputs": (described,)})
    return replace(graph, nodes=nodes, outputs=(replace(output, shape=shape),), spec=spec)


def _described(graph: Graph, meaning: str, classes: int, resize: Node) -> tuple[Graph, tuple[str, ...]]:
    corners = resize.attrs.get("coordinate_transformation_mode") == "align_corners"
    is_voc = classes == len(VOC_CLASSES) and graph.spec.labels in (None, VOC_CLASSES)
    how = SegmentationSpec(alignment="corners" if corners else "borders", background=0 if is_voc else None)
    spec = graph.spec.model_copy(
        update={
            "task": "segment",
            "outputs": (graph.spec.outputs[0].model_copy(update={"meaning": meaning}),),
            "segmentation": how,
            "labels": VOC_CLASSES if is_voc else graph.spec.labels,
        }
    )
    note = "the file does not name its 21 classes; they are taken for those of PASCAL VOC, background first"
    return replace(graph, spec=spec), (note,) * (is_voc and graph.spec.labels is None)
