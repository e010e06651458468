"""A Graph as a Core ML package: pictures in, labels and metadata inside, the spec in the metadata."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ...graph import Graph, Node, Value, to_float16
from ...graph.graph import unused_name
from ...graph.onnx_file import SPEC_KEY
from ...image.draw_mask import class_color
from ...spec import ModelSpec, Shape
from ..decoding import with_decoding
from ..plain_names import with_plain_names
from ..take_bytes import take_bytes
from .neural_engine import off_the_neural_engine
from .pipeline import with_suppression
from .program import USUAL, to_program
from .targets import target_for
from .vendor import ct, quiet
from .whole import with_real_biases

_PREVIEW = "com.apple.coreml.model.preview"
_REMARKS = "underone.neural_engine"
_PIXELS = (32, 1024)  # height and width of pictures of any size, which Core ML wants bounded
_LAYOUTS = {"RGB": ct.colorlayout.RGB, "BGR": ct.colorlayout.BGR, "GRAY": ct.colorlayout.GRAYSCALE}


def write_package(
    graph: Graph,
    path: Path,
    dtype: Literal["float32", "float16"],
    nms: bool = False,
    *,
    target: str | None = None,
) -> None:
    """Write a package.

    A network whose spec says how pictures are prepared takes pictures, and prepares their bytes itself. A classifier
    with labels gives the best label and the probability of each, beside its own outputs.

    Args:
        graph: a network; an open batch becomes 1.
        path: of the folder to be made, with the suffix ``.mlpackage``.
        dtype: of weights and arithmetic.
        nms: put decoding and Apple's suppression of overlaps behind a detector.
        target: the oldest system that is to run it, one of `TARGETS`; None: the oldest that can.

    Raises:
        UnknownName: no such target.
        Unsupported: operators or sizes that have no form in Core ML, or another suppression than Apple's.
        BadValue: a weight is too large for float16; with nms it is no detector.
    """
    chosen = ct.target[target_for(graph, target)]
    remarks = off_the_neural_engine(graph, dtype)
    graph = with_plain_names(_with_batch_of_one(take_bytes(with_real_biases(graph))))
    spec = graph.spec
    classifier = None
    if spec.task == "classify" and spec.labels is not None:
        graph, probabilities = _with_probabilities(graph)
        classifier = ct.ClassifierConfig(list(spec.labels), predicted_probabilities_output=probabilities)
    graph = graph if dtype == "float32" else to_float16(graph)
    graph = with_decoding(graph) if nms else graph
    with quiet():
        model = ct.convert(
            to_program(graph, chosen),
            inputs=_inputs(graph),
            classifier_config=classifier,
            convert_to="mlprogram",
            minimum_deployment_target=chosen,
            compute_precision=ct.precision.FLOAT32,  # the graph says itself what is float16
            pass_pipeline=ct.PassPipeline.CLEANUP,  # its fusions refuse float16 constants; Core ML fuses when it loads
            skip_model_load=True,
        )
        if nms and spec.detection is not None:
            labels = spec.labels or tuple(f"class {i}" for i in range(spec.classes or 0))
            model = with_suppression(model, spec.detection, labels)
        _describe(model, graph.spec, remarks)
        model.save(str(path))
        del model


def _with_batch_of_one(graph: Graph) -> Graph:
    """Fix the batch; Core ML takes one picture, and its Neural Engine wants fixed sizes."""
    inputs = tuple(replace(v, shape=(1, *v.shape[1:])) if v.shape[:1] == (None,) else v for v in graph.inputs)
    outputs = tuple(replace(v, shape=(1, *v.shape[1:])) if v.shape[:1] == (None,) else v for v in graph.outputs)
    return replace(graph, inputs=inputs, outputs=outputs)


def _with_probabilities(graph: Graph) -> tuple[Graph, str]:
    """Put a softmax behind logits, as one more output; give the name of the probabilities."""
    output = graph.spec.outputs[0]
    if output.meaning == "probabilities":
        return graph, output.name
    name = unused_name("probabilities", graph.names())
    nodes = (*graph.nodes, Node("Softmax", (output.name,), (name,), {"axis": -1}, name))
    return replace(graph, nodes=nodes, outputs=(*graph.outputs, Value(name, graph.outputs[0].shape))), name


def _inputs(graph: Graph) -> list[Any]:
    """Describe the inputs: pictures where the spec says what they are, else arrays."""
    described = {i.name: i for i in graph.spec.inputs}
    made = []
    for value in graph.inputs:
        how = described[value.name].preparation if value.name in described else None
        if how is None:
            made.append(ct.TensorType(name=value.name, shape=_open_shape(value.shape)))
        else:
            made.append(ct.ImageType(name=value.name, shape=_open_shape(value.shape), color_layout=_LAYOUTS[how.color]))
    return made


def _open_shape(sizes: Shape) -> Any:
    """Give a shape, with a range for each size that is open."""
    if None not in sizes:
        return sizes
    least, most = _PIXELS
    return ct.Shape([ct.RangeDim(least, most, USUAL) if n is None else n for n in sizes])


def _describe(model: Any, spec: ModelSpec, remarks: Sequence[str]) -> None:
    """Write the metadata: what Xcode shows, what its preview needs, and the spec."""
    model.short_description = f"{spec.name}, {spec.task or 'network'}; weights: {spec.weights or 'unknown'}"
    model.license = spec.licence or ""
    model.user_defined_metadata[SPEC_KEY] = spec.to_json()
    if remarks:
        model.user_defined_metadata[_REMARKS] = "\n".join(remarks)
    if spec.task == "segment" and spec.classes is not None:
        labels = spec.labels or tuple(f"class {i}" for i in range(spec.classes))
        colors = ["#{:02x}{:02x}{:02x}".format(*class_color(i)) for i in range(len(labels))]
        model.user_defined_metadata[f"{_PREVIEW}.type"] = "imageSegmenter"
        model.user_defined_metadata[f"{_PREVIEW}.params"] = json.dumps({"labels": labels, "colors": colors})
