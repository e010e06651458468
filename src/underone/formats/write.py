"""export: a network → a file that is proven to compute the same."""

import logging
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import onnx

from ..compare import Verdict
from ..errors import BadValue, ParityFailed, UnknownName
from ..files import atomic_write
from ..graph import Graph, count, read_onnx, to_float16, to_onnx
from ..graph.onnx_file import VERDICT_KEY
from ..runtime import load
from .forms import Form, of_engine, of_graph, of_module
from .parity import LIMITS, compare_forms, versions
from .probes import probes

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger("underone")

FORMATS: dict[str, Callable[[Graph], bytes]] = {".onnx": to_onnx}
Dtype = Literal["float32", "float16"]


def export(
    model: "nn.Module | Graph | str | PathLike[str]", path: str | PathLike[str], dtype: Dtype = "float32"
) -> Path:
    """Write a network to a file, after the file's own bytes gave the network's own outputs.

    The reference interpreter and the best installed engine run the bytes on a photograph, noise (a batch of three,
    where any batch is taken), zeros, and values far outside a picture's. The verdict goes into the file and beside it,
    as ``<path>.verdict.json``. A file that stands at `path` stays as it is until the new one is complete.

    Args:
        model: a torch module with float32 parameters, a Graph, or the path of an ONNX file. What is in training form
            is written in training form; `reparameterize` it first to ship it.
        path: the suffix names the format: ``.onnx``.
        dtype: of the weights and of the arithmetic; inputs and outputs stay float32.

    Returns:
        `path`.

    Raises:
        UnknownName: no such format or dtype.
        BadValue: `model` is something else, or has weights that are not float32, or too large for float16.
        Unsupported: the network has operations that are not implemented, all are listed; or several inputs.
        BadFile: the file cannot be read or written; a full disk.
        ParityFailed: the bytes compute something else; nothing was written.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise UnknownName("format", path.suffix or path.name, FORMATS, "The suffix of the file names the format.")
    if dtype not in LIMITS:
        raise UnknownName("dtype", dtype, LIMITS)
    graph, reference = _read(model)
    content = FORMATS[path.suffix](graph if dtype == "float32" else to_float16(graph))
    try:
        verdict = _judge(content, path.name, reference, dtype)
        verdict.require()
    except ParityFailed as error:
        cure = "; float16 has 11 bits and ends at 65504: write float32" if dtype == "float16" else ""
        raise ParityFailed(f"{path} was not written: {error}{cure}") from error
    _write(path, content, verdict)
    return path


def _read(model: "nn.Module | Graph | str | PathLike[str]") -> tuple[Graph, Form]:
    """Give the network as a Graph, and in the form that it came in."""
    if isinstance(model, str | PathLike):
        graph = read_onnx(Path(model))
        return graph, of_graph(graph)
    if isinstance(model, Graph):
        return model, of_graph(model)
    if not hasattr(model, "named_parameters"):
        raise BadValue(f"a {type(model).__name__} cannot be exported; a torch module, a Graph or a path is required")
    from ..trace import trace  # torch is needed for torch models only

    graph = trace(model)
    if graph.spec.form == "training":
        log.warning(
            "%s is exported in training form: %d operations; reparameterize(model) gives the plain form",
            graph.spec.name,
            len(graph.nodes),
        )
    return graph, of_module(model, graph.spec)


def _judge(content: bytes, name: str, reference: Form, dtype: str) -> Verdict:
    """Compare the bytes of a file with the network that they were made from."""
    graph = read_onnx(content, name)
    inputs = probes(reference.spec.input)
    with load(content) as engine:
        forms = [of_graph(graph)] + ([of_engine(engine)] if engine.backend != "reference" else [])
        results = [compare_forms(form, reference, inputs, dtype) for form in forms]
    cost = count(graph)
    return Verdict(
        kind="export",
        subject=f"{name} ({dtype})",
        reference=f"{reference.spec.name} by {reference.by}",
        comparisons=tuple(row for rows, _ in results for row in rows),
        facts={
            "bytes": len(content),
            "opset": onnx.ModelProto.FromString(content).opset_import[0].version,
            "form": reference.spec.form,
            "dtype": dtype,
            "params": cost.params,
            "macs": cost.macs,
        },
        notes=tuple(dict.fromkeys(note for _, notes in results for note in notes)),
        versions=versions([reference, *forms]),
    )


def _write(path: Path, content: bytes, verdict: Verdict) -> None:
    """Write the file, the verdict in its metadata, and the verdict beside it: both or neither."""
    text = verdict.to_json()
    entry = onnx.StringStringEntryProto(key=VERDICT_KEY, value=text)
    # protobuf: a field appended to a message joins it, so the bytes that were judged stay as they are
    appended = onnx.ModelProto(metadata_props=[entry]).SerializeToString()
    beside = path.with_name(path.name + ".verdict.json")
    with atomic_write(path) as file, atomic_write(beside) as proof:
        file.write_bytes(content + appended)
        proof.write_text(text)
