"""A network of ours with a file's weights against the network in that file: the proof of a conversion."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import settings
from ..compare import Comparison, Verdict, compare_outputs
from ..graph import Array, Graph, to_onnx
from ..post import softmax
from ..runtime.engine import open_engine
from ..runtime.model_file import open_model
from ..spec import InputSpec, ModelSpec
from .parity import limits_on, versions_of, with_own_rounding
from .probes import probes

if TYPE_CHECKING:
    from torch import nn


class _Pair(NamedTuple):
    """An output of ours and that of the file, and what makes ours like theirs, from both."""

    ours: str
    theirs: str
    like: Callable[[Array, Array], Array]


def compare_roads(model: "nn.Module", spec: ModelSpec, graph: Graph) -> Verdict | None:
    """Run a network of ours and the graph of the file that its weights came from on the same pictures.

    Args:
        model: of the zoo; maps (N, C, H, W) to its outputs.
        spec: of the model.
        graph: with the same input. Compared are, of a classifier, its output of as many classes, class scores with the
            softmax of the model's logits; of a detector, box codes and scores; of a segmenter, the class outputs
            before they are enlarged.

    Returns:
        The verdict, which does not raise; None where the graph has no such input or outputs.
    """
    from ..trace import as_function  # torch is needed for torch models only

    image, pairs = _image(spec, graph), _PAIRS[spec.task or ""](spec, graph)
    if image is None or not pairs:
        return None
    run = as_function(model, [output.name for output in spec.outputs])
    rows, notes = list[Comparison](), list[str]()
    with open_engine(open_model(to_onnx(graph)), "auto", settings.threads(), None) as engine:
        inputs = probes(image)
        for probe, array in inputs.items():
            found, ours = engine.run({image.name: array}), run({image.name: array})
            want = {pair.theirs: found[pair.theirs] for pair in pairs}
            got = {pair.theirs: pair.like(ours[pair.ours], found[pair.theirs]) for pair in pairs}
            limits, top1 = limits_on(probe, "float32", spec.task), spec.task == "classify"
            compared = compare_outputs(f"{probe}, {engine.backend}", got, want, limits, top1)
            judged, widened = with_own_rounding(compared, lambda: graph, array)
            rows += judged
            notes += widened
        by = engine.backend
    return Verdict(
        kind="convert",
        subject=f"{spec.name} with the weights of the file",
        reference=f"the file's own network by {by}",
        comparisons=tuple(rows),
        facts={"outputs": [pair.theirs for pair in pairs], "input_shape": list(inputs["zeros"].shape)},
        notes=tuple(notes),
        versions=versions_of("torch", by),
    )


def _image(spec: ModelSpec, graph: Graph) -> InputSpec | None:
    """Give the graph's one input, if it is a picture like ours."""
    if len(graph.inputs) != 1:
        return None
    value = graph.inputs[0]
    if len(value.shape) != 4 or value.shape[1] != spec.input.shape[1] or value.dtype != "float32":
        return None
    return spec.input.model_copy(update={"name": value.name, "shape": value.shape})


def _of_classifier(spec: ModelSpec, graph: Graph) -> list[_Pair]:
    """Pair the logits with the first output of as many classes."""
    [logits] = spec.outputs
    fitting = [v.name for v in graph.outputs if len(v.shape) == 2 and v.shape[-1] == logits.shape[-1]]
    return [_Pair(logits.name, name, _scores) for name in fitting[:1]]


def _of_detector(spec: ModelSpec, graph: Graph) -> list[_Pair]:
    """Pair codes and scores by what the graph's spec says that they mean."""
    names = {output.meaning: output.name for output in graph.spec.outputs}
    if "box_codes" not in names or spec.detection is None:
        return []
    settled = _sigmoid if spec.detection.activation == "sigmoid" else _scores
    found = [_Pair("box_codes", names["box_codes"], _same)]
    found += [
        _Pair("logits", names[m], like) for m, like in (("logits", _same), ("probabilities", settled)) if m in names
    ]
    return found if len(found) == 2 else []


def _of_segmenter(spec: ModelSpec, graph: Graph) -> list[_Pair]:
    """Pair the class outputs with a map of as many, classes second, or last as TensorFlow has it."""
    [logits] = spec.outputs
    classes, maps = logits.shape[1], [v for v in graph.outputs if len(v.shape) == 4]
    found = [_Pair(logits.name, v.name, _same) for v in maps if v.shape[1] == classes]
    found += [
        _Pair(logits.name, v.name, lambda ours, _: ours.transpose(0, 2, 3, 1)) for v in maps if v.shape[3] == classes
    ]
    return found[:1]


_PAIRS: dict[str, Callable[[ModelSpec, Graph], list[_Pair]]] = {
    "classify": _of_classifier,
    "detect": _of_detector,
    "segment": _of_segmenter,
}


def _same(ours: Array, _: Array) -> Array:
    return ours


def _sigmoid(logits: Array, _: Array) -> Array:
    scores: Array = (1 + np.tanh(logits / 2)) / 2  # which overflows nowhere
    return scores


def _scores(logits: Array, want: Array) -> Array:
    """Give the softmax of logits where the reference holds class scores that sum to 1."""
    if want.min() < 0 or not np.allclose(want.sum(-1), 1, atol=1e-3):
        return logits
    return softmax(logits)
