"""What a foreign network answers and how its pictures are prepared, completed where the file is silent."""

import re
from dataclasses import replace
from pathlib import Path

from ..graph import Graph
from ..spec import InputSpec, ModelSpec, OutputSpec, Preparation
from .segmenter import with_segmentation

_SYMMETRIC = ("TensorFlow", "Keras")  # their networks take -1 to 1, with few exceptions

# what torch.onnx, tf2onnx, Paddle and Keras call every network
_NAMELESS = re.compile(
    r"torch[-_]jit([-_]export)?|main_graph|tf2onnx|paddle-onnx|((model|functional|sequential)(_\d+)?)|unnamed|"
)

# task → how its pictures are resized whole; a detector's as in the Object Detection API
_WHOLE = {"detect": {"resize": "squeeze", "interpolation": "bilinear_corner"}, "segment": {"resize": "squeeze"}}
IMAGENET_CLASSES = (1000, 1001)  # without and with a background class


def with_task(graph: Graph, kind: str, labels: tuple[str, ...] | None = None) -> tuple[Graph, tuple[str, ...]]:
    """Complete the spec of a graph that was read.

    A network with one picture input and one output (N, classes) is a classifier when a softmax makes the scores, when
    there are labels for them, or when there are as many as ImageNet has classes. What `with_segmentation` knows is a
    segmenter.

    Args:
        graph: what a reader gave; what its spec says already stays.
        kind: format of the file; TensorFlow's networks are taken to want pictures of -1 to 1.
        labels: class names, where the file holds them.

    Returns:
        The graph, and sentences about what was assumed.
    """
    assumed: tuple[str, ...] = ()
    if graph.spec.task is None:
        graph, assumed = with_segmentation(graph)
    spec, notes = _prepared(graph, kind)
    if spec.task is None and len(spec.inputs) == len(spec.outputs) == 1 and len(spec.inputs[0].shape) == 4:
        meaning = _meaning(graph, spec.outputs[0], labels)
        if meaning is not None:
            output = spec.outputs[0].model_copy(update={"meaning": meaning})
            spec = spec.model_copy(update={"task": "classify", "outputs": (output,)})
    if labels and spec.task == "classify" and spec.outputs[0].shape[-1] == len(labels):
        spec = spec.model_copy(update={"labels": labels})
    return replace(graph, spec=spec), (*assumed, *notes)


def with_name(graph: Graph, path: Path) -> Graph:
    """Name a network after its file, or the folder of its SavedModel, where its own name says nothing."""
    path = path.absolute()
    stem = path.parent.name if path.name == "saved_model.pb" else path.stem
    if not stem or not _NAMELESS.fullmatch(graph.spec.name):
        return graph
    return replace(graph, spec=graph.spec.model_copy(update={"name": stem}))


def _meaning(graph: Graph, output: OutputSpec, labels: tuple[str, ...] | None) -> str | None:
    if len(output.shape) != 2 or (output.shape[1] or 0) < 2:
        return None
    makers = {name: node.op for node in graph.nodes for name in node.outputs}
    if makers.get(output.name) == "Softmax":
        return "probabilities"
    return "logits" if output.shape[1] in (*IMAGENET_CLASSES, len(labels or ())) else None


def _prepared(graph: Graph, kind: str) -> tuple[ModelSpec, tuple[str, ...]]:
    """Give the first input a preparation, if it is a picture of floats without one."""
    spec = graph.spec
    if not spec.inputs or not _is_plain_picture(spec.inputs[0]):
        return spec, ()
    if kind == "TFLite" and spec.task != "segment":
        return spec, ()  # its reader has said it
    if not kind.startswith((*_SYMMETRIC, "TFLite")):
        return spec, (f"the file does not say how pictures are prepared, and {kind} has no usual way",)
    color, channels = ("GRAY", 1) if spec.inputs[0].shape[1] == 1 else ("RGB", 3)
    span = (0.0, 255.0) if _scales_itself(graph) else (-1.0, 1.0)
    how = Preparation.model_validate(
        {"color": color, "range": span, "mean": (0.0,) * channels, "std": (1.0,) * channels}
        | _WHOLE.get(spec.task or "", {})
    )
    first = spec.inputs[0].model_copy(update={"preparation": how})
    note = f"the file does not say how pictures are prepared; assumed: {color}, {span[0]:g} to {span[1]:g}"
    return spec.model_copy(update={"inputs": (first, *spec.inputs[1:])}), (note,)


def _scales_itself(graph: Graph) -> bool:
    """Say whether the first that happens to the input is arithmetic with a constant, as in a layer that rescales."""
    first = next((node for node in graph.nodes if graph.inputs[0].name in node.inputs), None)
    return first is not None and first.op in ("Mul", "Div", "Sub", "Add")


def _is_plain_picture(value: InputSpec) -> bool:
    picture = len(value.shape) == 4 and value.shape[1] in (1, 3) and value.layout == "NCHW"
    return picture and value.preparation is None and value.dtype == "float32"
