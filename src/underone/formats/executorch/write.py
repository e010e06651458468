"""A Graph as an ExecuTorch program."""

import tempfile
from pathlib import Path

from ...errors import Unsupported
from ...graph import Graph, to_onnx
from .process import worker


def write_pte(graph: Graph, path: Path) -> None:
    """Write a program in float32 for one picture at a time, with the operators that XNNPACK has delegated to it.

    Args:
        graph: a network.
        path: of the ``.pte``.

    Raises:
        Unsupported: open sizes, or what the worker cannot do, with its reason.
        MissingExtra: no Python with executorch is known.
    """
    wrong = [f"{v.name!r} {v.shape}" for v in graph.inputs if None in v.shape[1:]]
    if wrong:
        raise Unsupported(f"input {', '.join(wrong)} is open; ExecuTorch is written for fixed sizes: give size=(H, W)")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "net.onnx"
        source.write_bytes(to_onnx(graph))
        with worker("write", source, path) as process:
            process.finish(f"{graph.spec.name} cannot be written for ExecuTorch")
