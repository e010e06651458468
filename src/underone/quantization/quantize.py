"""quantize: a float32 network → a file of whole numbers that is compared with it before it is kept."""

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .. import settings
from ..compare import COARSE, Comparison, Verdict, compare_outputs
from ..errors import BadValue, ParityFailed, UnknownName, Unsupported
from ..formats.forms import of_graph
from ..formats.parity import versions_of
from ..formats.source import read_network
from ..formats.write import judges, write_proven
from ..graph import Graph, to_onnx
from ..graph.onnx_file import SHA256
from .float_form import float_form
from .layers import layers_of
from .pictures import Data, open_calibration
from .qdq import to_qdq
from .scheme import Scheme
from .sensitivity import Outputs, alone, run_all
from .stages import REMEDIES, USUAL_REMEDIES, Progress, Quantizer, Stage

log = logging.getLogger("underone")

_JUDGED = 16  # calibration pictures that the written file is compared on
_CUT = 0.01  # share of a tensor's values beyond its range, from which on we warn


def quantize(
    model: Any,
    data: Data,
    path: str | PathLike[str],
    *,
    images: int = 256,
    calibration: str = "mean",
    remedies: Sequence[str] = USUAL_REMEDIES,
    keep: int | Sequence[str] = 0,
    threads: int | None = None,
    progress: Progress = lambda what, done, total: None,  # noqa: ARG005
) -> Path:
    """Quantise a network to 8 bits by unlabelled pictures, and write it as ONNX that every engine runs.

    Weights become int8 with a scale for each output channel, activations uint8 with a scale and a zero point for each
    tensor; both stand in the file as QuantizeLinear and DequantizeLinear. Inputs and outputs stay float32, the spec
    stays with the file. The verdict in the file and beside it says how far its outputs are from the float32 network's.

    Args:
        model: the path of an ONNX file in float32, a Graph, or a folded torch module; its spec says how pictures are
            prepared.
        data: a folder, searched with all folders in it, or a list of pictures. Labels are not used.
        path: file to write, ``.onnx``.
        images: pictures of `data` that are used, at the most.
        calibration: how the range of an activation is found: ``minmax``, ``mean`` of the pictures' extremes,
            ``percentile`` (99.99 %), ``mse`` (least squared error), ``entropy`` (least divergence).
        remedies: what is done against the loss: ``equalization``: channels are scaled so that they use the range of
            their tensor; ``bias``: biases make up for the mean error; ``rounding``: the weights of a layer are rounded
            together, so that its answers change least; ``clipping``: ranges are learned against the float32 network.
        keep: layers that stay in float32: their names, or how many, the most sensitive ones.
        threads: of the engine; None: UNDERONE_THREADS, or 1.
        progress: told (what, done, total).

    Returns:
        `path`.

    Raises:
        BadFile: a file or the pictures cannot be read, there are none, or all are of one colour.
        BadValue: the network is quantised already, has float16 weights, more than one input, nothing to quantise, or
            activations that are not finite; or an argument is outside what is allowed.
        UnknownName: no such calibration, remedy, layer or format.
        ParityFailed: the quantised network answers something else; nothing was written.
    """
    path = file_to_write(path)
    return quantize_opened(open_network(model, data, images, calibration, threads, progress), path, remedies, keep)


def file_to_write(path: str | PathLike[str]) -> Path:
    """Return the path of a file that can hold a quantised network.

    Raises:
        UnknownName: its suffix is not ``.onnx``.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise UnknownName("format", path.suffix or path.name, [".onnx"], "A quantised network is written as ONNX.")
    return path


def quantize_opened(
    quantizer: Quantizer, path: Path, remedies: Sequence[str] = USUAL_REMEDIES, keep: int | Sequence[str] = 0
) -> Path:
    """Quantise a network that `open_network` gave, and write it; arguments and errors are those of `quantize`."""
    stage = quantizer.stage(remedies, kept_layers(quantizer, remedies, keep))
    _warn_of_cuts(stage)
    facts = {
        "calibration": quantizer.calibration, "pictures": len(quantizer.pictures), "remedies": list(remedies),
    }  # fmt: skip
    try:
        return write_quantized(path, stage.graph, stage.scheme, quantizer, facts)
    except ParityFailed as reason:
        raise ParityFailed(f"{reason}; try all of remedies={list(REMEDIES)}, or keep=3 layers in float32") from reason


def write_quantized(
    path: Path, graph: Graph, scheme: Scheme, quantizer: Quantizer, facts: Mapping[str, object]
) -> Path:
    """Write a network with its scheme, and the verdict on how far it is from its float32 form on calibration pictures.

    Args:
        path: file to write, ``.onnx``.
        graph: that the scheme is for.
        scheme: its quantisation.
        quantizer: holds the float32 form and the pictures.
        facts: for the verdict: how the scheme was found.

    Raises:
        ParityFailed: it answers something else; nothing was written.
        Unsupported: no engine that is installed runs it.
    """
    left = [layer.name for layer in layers_of(graph) if layer.output not in scheme.weights]
    facts = {**facts, "quantized_layers": len(scheme.weights), "float_layers": left}
    content = to_onnx(to_qdq(graph, scheme))
    verdict = _judge(content, path.name, quantizer, facts)
    try:
        verdict.require()
    except ParityFailed as reason:
        raise ParityFailed(f"{path} was not written: {reason}") from reason
    write_proven(path, content, verdict)
    return path


def open_network(
    model: Any,
    data: Data,
    images: int = 256,
    calibration: str = "mean",
    threads: int | None = None,
    progress: Progress = lambda what, done, total: None,  # noqa: ARG005
) -> Quantizer:
    """Read a network and choose its calibration pictures; arguments and errors are those of `quantize`."""
    graph, _ = read_network(model)
    if len(graph.inputs) != 1:
        raise BadValue(f"{graph.spec.name!r} has {len(graph.inputs)} inputs; a network with one picture is quantised")
    graph = float_form(graph)
    spec = of_graph(graph).spec
    pictures = open_calibration(data, spec.input, images)
    return Quantizer(graph, pictures, calibration, threads or settings.threads(), progress)


def kept_layers(quantizer: Quantizer, remedies: Collection[str], keep: int | Sequence[str]) -> list[str]:
    """Name the layers that stay in float32: as given, or the most sensitive ones, as many as asked for."""
    if not isinstance(keep, int):
        return list(keep)
    if keep < 0:
        raise BadValue(f"keep={keep}; the number of layers that stay in float32, or their names, is required")
    if keep == 0:
        return []
    stage = quantizer.stage([r for r in remedies if r == "equalization"])
    pictures = quantizer.pictures.batch(_JUDGED)
    want = run_all(stage.graph, pictures, quantizer.threads)
    costs = alone(stage, pictures, want, quantizer.threads, lambda n, of: quantizer.progress("sensitivity", n, of))
    return sorted(costs, key=lambda name: -costs[name])[:keep]


def _warn_of_cuts(stage: Stage) -> None:
    """Say where many values lie outside the range of their tensor."""
    cut = {}
    for name, span in stage.scheme.ranges.items():
        if name in stage.seen:
            sample = stage.seen[name].sample
            step = float(span.scale)
            cut[name] = float(np.mean((sample > span.high + step) | (sample < span.low - step)))
    worst = max(cut, key=lambda name: cut[name])
    if cut[worst] > _CUT:
        log.warning(
            "%d tensors lose more than %.0f %% of their values to their range, %r %.1f %%; "
            "calibration='minmax' keeps all",
            sum(share > _CUT for share in cut.values()), 100 * _CUT, worst, 100 * cut[worst],
        )  # fmt: skip


def _judge(content: bytes, name: str, quantizer: Quantizer, facts: dict[str, object]) -> Verdict:
    """Compare the bytes of the file with the float32 network on calibration pictures."""
    image = quantizer.graph.inputs[0].name
    pictures = quantizer.pictures.batch(_JUDGED)
    want = run_all(quantizer.graph, pictures, quantizer.threads)
    classifies = quantizer.graph.spec.task == "classify"
    rows, same, names = list[Comparison](), dict[str, float](), list[str]()
    with ExitStack() as stack:
        for engine in (stack.enter_context(e) for e in judges(content)):
            got = engine.run({image: pictures})
            rows += compare_outputs(f"pictures, {engine.backend}", got, want, COARSE)
            names.append(engine.backend)
            if classifies:
                same[engine.backend] = agreement(got, want)
    if not rows:
        raise Unsupported("no engine that is installed runs the quantised file; install onnxruntime")
    facts = {**facts, "same_top1": same} if classifies else facts
    return Verdict(
        kind="quantize",
        subject=f"{name} (int8)",
        reference=f"{quantizer.graph.spec.name} in float32",
        comparisons=tuple(rows),
        facts={SHA256: hashlib.sha256(content).hexdigest(), "bytes": len(content), **facts},
        versions=versions_of(*names),
    )


def agreement(got: Outputs, want: Outputs) -> float:
    """Give the share of pictures whose best class is the same, in percent."""
    (name,) = list(want)[:1]
    return 100 * float(np.mean(got[name].argmax(-1) == want[name].argmax(-1)))
