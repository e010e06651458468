"""A network of ours with a file's weights against the network in that file: the proof of a conversion."""

from typing import TYPE_CHECKING

import numpy as np

from .. import settings
from ..compare import Comparison, Verdict, compare_outputs
from ..graph import Array, Graph, to_onnx
from ..runtime.engine import open_engine
from ..runtime.model_file import open_model
from ..spec import InputSpec, ModelSpec
from .parity import limits_on, versions_of, with_own_rounding
from .probes import probes

if TYPE_CHECKING:
    from torch import nn


def compare_roads(model: "nn.Module", spec: ModelSpec, graph: Graph) -> Verdict | None:
    """Run a classifier and the graph of the file that its weights came from on the same pictures.

    Args:
        model: maps (N, C, H, W) to logits (N, classes).
        spec: of the model.
        graph: with the same input; its output of that many classes is compared, class scores with the softmax of the
            model's logits.

    Returns:
        The verdict, which does not raise; None where the graph has no such input or output.
    """
    from ..trace import as_function  # torch is needed for torch models only

    found = _same_borders(spec, graph)
    if found is None:
        return None
    image, output = found
    run = as_function(model, ["logits"])
    rows, notes = list[Comparison](), list[str]()
    with open_engine(open_model(to_onnx(graph)), "auto", settings.threads(), None) as engine:
        inputs = probes(image)
        for probe, array in inputs.items():
            want = {output: engine.run({image.name: array})[output]}
            got = {output: _like(run({image.name: array})["logits"], want[output])}
            compared = compare_outputs(f"{probe}, {engine.backend}", got, want, limits_on(probe, "float32"), top1=True)
            judged, widened = with_own_rounding(probe, compared, lambda: graph, array)
            rows += judged
            notes += widened
        by = engine.backend
    return Verdict(
        kind="convert",
        subject=f"{spec.name} with the weights of the file",
        reference=f"the file's own network by {by}",
        comparisons=tuple(rows),
        facts={"output": output, "input_shape": list(inputs["zeros"].shape)},
        notes=tuple(notes),
        versions=versions_of("torch", by),
    )


def _same_borders(spec: ModelSpec, graph: Graph) -> tuple[InputSpec, str] | None:
    """Find the graph's input, with its sizes, and the name of its output of as many classes."""
    classes = spec.outputs[0].shape[-1]
    outputs = [v.name for v in graph.outputs if len(v.shape) == 2 and v.shape[-1] == classes]
    if len(graph.inputs) != 1 or not outputs:
        return None
    value = graph.inputs[0]
    if len(value.shape) != 4 or value.shape[1] != spec.input.shape[1] or value.dtype != "float32":
        return None
    return spec.input.model_copy(update={"name": value.name, "shape": value.shape}), outputs[0]


def _like(logits: Array, want: Array) -> Array:
    """Give the softmax of logits where the reference holds class scores that sum to 1."""
    if want.min() < 0 or not np.allclose(want.sum(-1), 1, atol=1e-3):
        return logits
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    scores: Array = powers / powers.sum(-1, keepdims=True)
    return scores
