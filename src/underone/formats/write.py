"""export: a network → a file that is proven to compute the same."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import onnx

from .. import settings
from ..compare import Verdict
from ..errors import ParityFailed, UnknownName, Unsupported
from ..files import atomic_write
from ..graph import Graph, count, read_onnx, to_float16, to_onnx
from ..graph.float16 import with_half_weights
from ..graph.integer_form import integer_convolutions
from ..graph.onnx_file import SHA256, with_verdict
from ..runtime import Engine, installed_backends
from ..runtime.engine import open_engine
from ..runtime.model_file import open_model
from ..spec import ModelSpec
from .explain import Dtype, compare_and_explain
from .forms import Form, of_engine, of_graph
from .parity import Precision, compare_forms, precision_of, versions
from .probes import FURTHER_SIZE, probes
from .read_back import FORMATS, write_and_read
from .small_weights import SmallWeights, require_small
from .source import read_network
from .with_nms import require_standard, with_nms

if TYPE_CHECKING:
    from torch import nn


def export(
    model: "nn.Module | Graph | str | PathLike[str]",
    path: str | PathLike[str],
    dtype: Dtype = "float32",
    *,
    size: tuple[int | None, int | None] | None = None,
    input_shape: tuple[int, int, int] | None = None,
    nms: bool = False,
    weights: SmallWeights | None = None,
    target: str | None = None,
) -> Path:
    """Write a network to a file, after the file's own bytes gave the network's own outputs.

    The reference interpreter, our engine and an installed one of others run the bytes on a photograph, noise (a batch
    of three, where any batch is taken), zeros, and values far outside a picture's; in float16, which ends at 65504,
    on a picture's own extremes. The verdict goes into the file and
    beside it, as ``<path>.verdict.json``. A file that stands at `path` stays as it is until the new one is complete.

    Args:
        model: a torch module with float32 parameters, a Graph, or the path of an ONNX file. What is in training form
            is written in training form, with a warning; `reparameterize` it first to ship it.
        path: the suffix names the format: ``.onnx``, ``.mlpackage`` (Core ML), ``.tflite`` (LiteRT), ``.xml``
            (OpenVINO, with the weights beside it as ``.bin``), ``.param`` (ncnn, with ``.ncnn.bin``)
            or ``.pte`` (ExecuTorch).
        dtype: of the weights and of the arithmetic, or torch's or numpy's name of it; inputs and outputs stay float32.
        size: (height, width) of the pictures that the file takes, None for any; default: as the model's spec says.
        input_shape: (channels, height, width), for a torch module that has no spec.
        nms: put decoding and NonMaxSuppression behind a detector, with the thresholds of its spec: the file then takes
            one picture and gives ``boxes``, ``scores`` and ``class_ids``; for Core ML it is Apple's suppression, which
            gives ``confidence`` and ``coordinates``. False: box codes and logits come out, and the spec says what
            becomes of them.
        weights: rounded to whole numbers of 8 bits with a scale for each output (``int8``: Core ML, LiteRT), or
            to a table of 16, 64 or 256 values (``palette4``, ``palette6``, ``palette8``: Core ML); the arithmetic stays
            that of `dtype`. The verdict says what it cost. None: as they are.
        target: the oldest system that is to run a Core ML package, ``iOS15`` to ``iOS18``; None: the oldest that has
            what the network needs: iOS 16 for small weights, iOS 17 for activations of 8 bits.

    Returns:
        `path`.

    Raises:
        UnknownName: no such format, dtype, target or form of weights.
        BadValue: `model` is something else, has weights that are not float32 or too large for float16, or has other
            labels than outputs; or `size` is none.
        Unsupported: the network has operations that are not implemented, all are listed; or several inputs; or it
            cannot take pictures of any size.
        BadFile: the file cannot be read or written; a full disk.
        ParityFailed: the bytes compute something else; nothing was written.
    """
    path = Path(path)
    known = {".onnx", *FORMATS}
    if path.suffix not in known:
        raise UnknownName("format", path.suffix or path.name, known, "The suffix of the file names the format.")
    dtype = _dtype(dtype)
    graph, reference = read_network(model, size, input_shape)
    if path.suffix in FORMATS:
        write_and_read(graph, reference, path, dtype, nms, target=target, weights=weights)
        return path
    if target is not None:
        raise Unsupported(f"target={target!r}: ONNX has no targets; Core ML has")
    require_small(weights, (), "ONNX")
    if nms:
        require_standard(graph.spec)
    content = to_onnx(graph if dtype == "float32" else to_float16(with_half_weights(graph)))
    try:
        verdict = judge_onnx(content, path.name, reference, precision_of(graph, dtype))
        verdict.require()
    except ParityFailed as error:
        cure = "; float16 has 11 bits and ends at 65504: write float32" if dtype == "float16" else ""
        raise ParityFailed(f"{path} was not written: {error}{cure}") from error
    if nms:
        content, verdict = _with_nms(content, verdict, graph.spec)
    write_proven(path, content, verdict)
    return path


def _with_nms(content: bytes, verdict: Verdict, spec: ModelSpec) -> tuple[bytes, Verdict]:
    """Put the suppression into a file that was judged without; the verdict then tells of both."""
    whole, rows, open_points = with_nms(content, spec)
    facts = {**verdict.facts, SHA256: hashlib.sha256(whole).hexdigest(), "bytes": len(whole), "nms": True}
    comparisons, notes = (*verdict.comparisons, *rows), (*verdict.notes, *open_points)
    both = verdict.model_copy(update={"comparisons": comparisons, "facts": facts, "notes": notes})
    both.require()
    return whole, both


def _dtype(given: Any) -> Dtype:
    """Return the name of a number format: ``float16``, torch.float16, numpy.float16 and its dtype are the same."""
    name = given.__name__ if isinstance(given, type) else str(given).removeprefix("torch.")
    for known in get_args(Dtype):
        if name == known:
            return cast(Dtype, known)
    raise UnknownName("dtype", given, get_args(Dtype))


def judge_onnx(content: bytes, name: str, reference: Form, dtype: Precision) -> Verdict:
    """Compare the bytes of a file with the network that they were made from."""
    graph = read_onnx(content, name)
    further = FURTHER_SIZE if reference.by == "torch" else None
    inputs = probes(reference.spec.input, further_size=further, reachable=dtype == "float16")
    with ExitStack() as stack:
        engines = [stack.enter_context(engine) for engine in judges(content)]
        forms = [of_graph(integer_convolutions(graph)), *(of_engine(engine) for engine in engines)]
        rows, notes, drift = compare_and_explain(forms[0], reference, inputs, dtype)
        for form in forms[1:]:
            more, said = compare_forms(form, reference, inputs, dtype)
            rows, notes = rows + more, notes + said
    one = inputs["zeros"].shape
    cost = count(graph, sizes={reference.spec.input.name: one})
    return Verdict(
        kind="export",
        subject=f"{name} ({dtype})",
        reference=f"{reference.spec.name} by {reference.by}",
        comparisons=tuple(rows),
        facts={
            SHA256: hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "opset": onnx.ModelProto.FromString(content).opset_import[0].version,
            "form": reference.spec.form,
            "dtype": dtype,
            "params": cost.params,
            "macs": cost.macs,
            "input_shape": list(one),
            **drift,
        },
        notes=tuple(dict.fromkeys(notes)),
        versions=versions([reference, *forms]),
    )


def judges(content: bytes) -> Iterator[Engine]:
    """Open the file on our engine, and on the first installed one of others: they will read it too."""
    installed = installed_backends()
    foreign = [name for name in ("onnxruntime", "openvino") if name in installed][:1]
    for name in [*foreign, *(name for name in ("native",) if name in installed)]:
        try:
            yield open_engine(open_model(content), name, settings.threads(), None)
        except Unsupported:
            continue  # the engine lacks an operator: the others judge


def write_proven(path: Path, content: bytes, verdict: Verdict) -> None:
    """Write the file, the verdict in its metadata, and the verdict beside it: both or neither."""
    beside = path.with_name(path.name + ".verdict.json")
    with atomic_write(path) as file, atomic_write(beside) as proof:
        file.write_bytes(with_verdict(content, verdict))
        proof.write_text(verdict.to_json())
