"""A Graph as ncnn's two files."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import Unsupported
from ...files import map_file
from ...graph import Graph, infer_shapes
from ...graph.onnx_file import counted
from ...graph.ops import attributes
from ..plain_names import with_plain_names
from .model import IN_HALF, Model
from .operators import OPERATORS, Call, sizes

_MOST_BYTES = 1 << 32  # of weights


def weights_path(path: Path) -> Path:
    """Name the weights of a .param file: not as OpenVINO does, whose weights may lie beside."""
    return path.with_name(f"{path.stem.removesuffix('.ncnn')}.ncnn.bin")


def is_small(path: Path) -> bool:
    """Tell whether a file's weights of products are stored in float16: read as a weight, their tag would be 3e-38.

    Raises:
        BadFile: its .ncnn.bin cannot be read.
    """
    content = map_file(weights_path(path), _MOST_BYTES).content
    return bool((np.frombuffer(content, "<u4", len(content) // 4) == IN_HALF).any())


def write_ncnn(graph: Graph, path: Path, dtype: str) -> None:
    """Write ``.param``, and beside it ``.ncnn.bin``.

    Args:
        graph: a network; it takes one picture at a time.
        path: of the ``.param``.
        dtype: float16: weights of products are stored so; ncnn calculates in what the processor is best at.

    Raises:
        Unsupported: operators or sizes that have no form there; unknown operators are all named at once.
    """
    graph = with_plain_names(graph)
    unknown = Counter(node.op for node in graph.nodes if node.op not in OPERATORS)
    if unknown:
        raise Unsupported(f"operators that cannot be written for ncnn: {counted(unknown)}")
    wrong = [f"{v.name!r} {v.shape}" for v in graph.inputs if None in v.shape[1:] or v.dtype != "float32"]
    if wrong:
        raise Unsupported(
            f"input {', '.join(wrong)} is open or not float32; give the size of the pictures: size=(H, W)"
        )
    types = infer_shapes(graph)
    outputs = {v.name for v in graph.outputs}
    readers = Counter(n for node in graph.nodes for n in node.inputs)
    alone = {n for n, count in readers.items() if count == 1 and n not in outputs}
    model = Model(types, graph.constants, dtype == "float16", alone, outputs)
    for value in graph.inputs:
        model.add("Input", (), value.name, sizes(types[value.name].shape))
    for node in graph.nodes:
        full = attributes(node.op, node.attrs, [types[n].shape for n in node.inputs if n])
        OPERATORS[node.op](Call(model, replace(node, attrs=full)))
    path.write_text(model.text())
    weights_path(path).write_bytes(model.content())
