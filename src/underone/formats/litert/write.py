"""A Graph as a TFLite file."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from ...errors import Unsupported
from ...graph import Graph, infer_shapes
from ...graph.onnx_file import SPEC_KEY, counted
from ...graph.ops import attributes
from ..plain_names import with_plain_names
from .metadata import NAME, append_labels, metadata_of
from .model import NHWC, Model, Stored
from .operators import OPERATORS, Call
from .whole import ROUNDING, landings, result_scale


def write_tflite(graph: Graph, path: Path, dtype: str) -> None:
    """Write a file; pictures and maps are channels last in it.

    What a quantised graph rounds is int8 in it, with the graph's own scales; inputs and outputs stay float32.

    Args:
        graph: a network; an open batch becomes 1.
        path: of the file.
        dtype: float16: weights are stored so, and read from there into float32, as every engine of the format does.

    Raises:
        Unsupported: operators, dtypes or sizes that have no form there; unknown operators are all named at once.
    """
    graph = with_plain_names(graph)
    unknown = Counter(node.op for node in graph.nodes if node.op not in OPERATORS and node.op not in ROUNDING)
    if unknown:
        raise Unsupported(f"operators that cannot be written for LiteRT: {counted(unknown)}")
    open_sizes = [f"{v.name!r} {v.shape}" for v in graph.inputs if None in v.shape[1:]]
    if open_sizes:
        raise Unsupported(f"input {', '.join(open_sizes)} is open; LiteRT is written for fixed sizes: give size=(H, W)")
    types = infer_shapes(graph)
    readers = Counter(n for node in graph.nodes for n in node.inputs) + Counter(v.name for v in graph.outputs)
    model = Model(types, graph.constants, dtype == "float16", {n for n, count in readers.items() if count == 1})
    inputs = {}
    for value in graph.inputs:
        shape = types[value.name].shape
        order = NHWC if len(shape) == 4 else tuple(range(len(shape)))
        inputs[value.name] = model.tensor(value.name, [shape[a] for a in order], value.dtype)
        model.stored[value.name] = Stored(inputs[value.name], order)
    landed = landings(graph, model.alone)
    for node in graph.nodes:
        full = replace(node, attrs=attributes(node.op, node.attrs, [types[n].shape for n in node.inputs if n]))
        if node.op in ROUNDING:
            ROUNDING[node.op](model, full)
        else:
            OPERATORS[node.op](Call(model, full, result_scale(model, full, landed)))
    outputs = {}
    for value in graph.outputs:
        rank = len(types[value.name].shape)
        outputs[value.name] = model.given(value.name, NHWC if rank == 4 else tuple(range(rank)))
    about = {SPEC_KEY: graph.spec.to_json().encode(), NAME: metadata_of(graph.spec)}
    path.write_bytes(model.to_bytes(inputs, outputs, about))
    if graph.spec.labels is not None:
        append_labels(path, graph.spec.labels)
