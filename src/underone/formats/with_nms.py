"""Decoding and standard NonMaxSuppression behind a detector, inside its ONNX file."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..compare import Comparison
from ..errors import BadValue, MissingExtra, Unsupported
from ..graph import Graph, Value, to_onnx
from ..graph.onnx_file import SPEC_KEY
from ..runtime import installed_backends
from ..spec import DetectionSpec, ModelSpec, OutputSpec
from .decoding import PLACES, SCORES, decoder
from .nms_parity import compare_nodes, compare_whole

_OUTPUTS = (
    OutputSpec(name="boxes", shape=(1, None, 4), meaning="boxes"),
    OutputSpec(name="scores", shape=(1, None), meaning="scores"),
    OutputSpec(name="class_ids", shape=(1, None), dtype="int64", meaning="class_ids"),
)
_TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


def with_nms(content: bytes, spec: ModelSpec) -> tuple[bytes, list[Comparison], list[str]]:
    """Append decoding, NonMaxSuppression and sorting to the file of a detector, and prove what the file then finds.

    The file takes one picture; its outputs are ``boxes`` (1, N, 4) x1 y1 x2 y2 as shares of the picture, ``scores``
    (1, N) and ``class_ids`` (1, N), best first: the same as of `find_boxes`, proven by `compare_nodes` and
    `compare_whole`. Two things the standard operator does otherwise: it has no limit of candidates of a class,
    `DetectionSpec.top_k`, and a box counts above the score threshold, not from it on.

    Args:
        content: of an ONNX file that `to_onnx` wrote, with outputs before suppression.
        spec: of the network; `require_standard` passed it.

    Returns:
        The new file, the comparisons, and notes on what they leave open.

    Raises:
        BadFile: onnxruntime cannot run the new file.
        ParityFailed: it finds other boxes.
    """
    how = require_standard(spec)
    inside = _spec_with_nms(spec)
    alone = _followed(_decoding(spec, how), _finding(how), _constants(how))
    content_alone = alone.SerializeToString()
    rows = compare_nodes(content_alone, spec)
    model = _followed(onnx.ModelProto.FromString(content), alone.graph.node, alone.graph.initializer)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    texts = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(model, texts | {SPEC_KEY: inside.to_json()})
    onnx.checker.check_model(model)
    whole = model.SerializeToString()
    further, notes = compare_whole(whole, content, content_alone, inside.input)
    return whole, rows + further, notes


def require_standard(spec: ModelSpec) -> DetectionSpec:
    """Refuse a network whose boxes the standard operator cannot find as its spec says, or what could not be proven.

    Raises:
        BadValue: the network is no detector with box codes.
        Unsupported: its suppression is another than the standard operator's.
        MissingExtra: onnxruntime is not installed.
    """
    meanings = [output.meaning for output in spec.outputs]
    if spec.detection is None or "box_codes" not in meanings or "logits" not in meanings:
        raise BadValue(f"nms=True: {spec.name!r} is no detector with box codes and logits; its task is {spec.task!r}")
    if spec.detection.nms != "hard" or not spec.detection.per_class:
        raise Unsupported(
            f"nms=True: {spec.name!r} suppresses in the way {spec.detection.nms!r}, per_class="
            f"{spec.detection.per_class}; the standard operator has only 'hard', class by class: export without nms"
        )
    if "onnxruntime" not in installed_backends():
        raise MissingExtra("export(nms=True)", "onnxruntime", "onnxruntime")
    return spec.detection


def _spec_with_nms(spec: ModelSpec) -> ModelSpec:
    image = spec.input.model_copy(update={"shape": (1, *spec.input.shape[1:])})
    return spec.model_copy(update={"inputs": (image,), "outputs": _OUTPUTS})


def _decoding(spec: ModelSpec, how: DetectionSpec) -> onnx.ModelProto:
    """Make a file of the decoding alone: from the outputs of the network to the places and scores of all boxes."""
    codes, logits = (next(o for o in spec.outputs if o.meaning == m) for m in ("box_codes", "logits"))
    nodes, constants = decoder(spec, how, codes.name, logits.name)
    inputs = tuple(Value(output.name, (1, *output.shape[1:])) for output in (codes, logits))
    outputs = tuple(Value(name, (1, how.anchor_count, n)) for name, n in ((PLACES, 4), (SCORES, spec.classes)))
    graph = Graph(nodes, inputs, outputs, constants, ModelSpec(name="nms"))
    model: onnx.ModelProto = onnx.ModelProto.FromString(to_onnx(graph))
    return model


def _followed(
    model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto], constants: Iterable[onnx.TensorProto]
) -> onnx.ModelProto:
    """Put nodes behind a file; its outputs then are the boxes."""
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants)
    del model.graph.output[:]
    model.graph.output.extend(_border(output) for output in _OUTPUTS)
    return model


def _finding(how: DetectionSpec) -> list[onnx.NodeProto]:
    """Write down what `find_boxes` does with decoded boxes, in standard operators, for one picture."""
    return [*_corners(), *_seeing(), *_scoring(), *_suppression(how)]


def _node(op: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """Make a node of names without spaces; those of this file begin with "nms."."""
    names = outputs.split()
    return helper.make_node(op, inputs.split(), names, name=names[0], **attributes)


def _corners() -> list[onnx.NodeProto]:
    """`PLACES` → nms.boxes (1, anchors, 4), x1 y1 x2 y2, and nms.inside, the same cut at the border of the picture."""
    return [
        _node("Split", f"{PLACES} nms.halves", "nms.centres nms.sizes", axis=2),
        _node("Mul", "nms.sizes nms.half", "nms.half_sizes"),
        _node("Sub", "nms.centres nms.half_sizes", "nms.corner"),
        _node("Add", "nms.centres nms.half_sizes", "nms.far_corner"),
        _node("Concat", "nms.corner nms.far_corner", "nms.boxes", axis=2),
        _node("Clip", "nms.boxes nms.0 nms.1", "nms.inside"),
    ]


def _seeing() -> list[onnx.NodeProto]:
    """nms.inside → nms.seen (1, anchors, 1): whether a box has an area inside the picture, as `visible` says it."""
    return [
        _node("Split", "nms.inside nms.halves", "nms.near nms.far", axis=2),
        _node("Greater", "nms.far nms.near", "nms.wide_high"),
        _node("Split", "nms.wide_high nms.one_each", "nms.wide nms.high", axis=2),
        _node("And", "nms.wide nms.high", "nms.seen"),
    ]


def _scoring() -> list[onnx.NodeProto]:
    """`SCORES` → nms.scores (1, classes, anchors), 0 for a box that is not seen."""
    return [
        _node("Where", f"nms.seen {SCORES} nms.0", "nms.seen_scores"),
        _node("Transpose", "nms.seen_scores", "nms.scores", perm=[0, 2, 1]),
    ]


def _suppression(how: DetectionSpec) -> list[onnx.NodeProto]:
    """nms.boxes or nms.inside, nms.scores → the best of nms.inside, as the outputs of the file."""
    limits = "nms.max_per_class nms.iou_threshold nms.score_threshold"
    compared = "nms.inside" if how.clip_boxes == "before" else "nms.boxes"
    return [
        _node("NonMaxSuppression", f"{compared} nms.scores {limits}", "nms.kept"),  # (K, 3): picture, class, anchor
        _node("GatherND", "nms.scores nms.kept", "nms.kept_scores"),
        _node("Shape", "nms.kept_scores", "nms.count"),
        _node("Min", "nms.count nms.max_detections", "nms.most"),
        _node("TopK", "nms.kept_scores nms.most", "nms.best_scores nms.order", axis=0),
        _node("Gather", "nms.kept nms.order", "nms.best", axis=0),
        _node("Split", "nms.best nms.ones", "nms.picture nms.class nms.anchor", axis=1),
        _node("Squeeze", "nms.anchor nms.axis1", "nms.rows"),
        _node("Gather", "nms.inside nms.rows", "boxes", axis=1),
        _node("Unsqueeze", "nms.best_scores nms.axis0", "scores"),
        _node("Transpose", "nms.class", "class_ids", perm=[1, 0]),
    ]


def _constants(how: DetectionSpec) -> list[onnx.TensorProto]:
    values: dict[str, tuple[Any, type]] = {
        "halves": ([2, 2], np.int64),
        "one_each": ([1, 1], np.int64),
        "half": (0.5, np.float32),
        "0": (0, np.float32),
        "1": (1, np.float32),
        "max_per_class": ([how.max_per_class], np.int64),
        "iou_threshold": ([how.iou_threshold], np.float32),
        "score_threshold": ([how.score_threshold], np.float32),
        "max_detections": ([how.max_detections], np.int64),
        "ones": ([1, 1, 1], np.int64),
        "axis0": ([0], np.int64),
        "axis1": ([1], np.int64),
    }
    return [numpy_helper.from_array(np.asarray(value, kind), f"nms.{name}") for name, (value, kind) in values.items()]


def _border(output: OutputSpec) -> onnx.ValueInfoProto:
    shape = ["objects" if size is None else size for size in output.shape]
    return helper.make_tensor_value_info(output.name, _TYPES[output.dtype], shape)
