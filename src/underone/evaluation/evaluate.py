"""evaluate: a network of any form on labelled pictures."""

from collections.abc import Callable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..data import open_boxes, open_masks, open_pictures
from ..errors import BadValue
from ..runtime import Engine, load
from ..spec import ModelSpec, OutputSpec
from ..weights import read_checkpoint
from ..zoo import create_model
from .classification import ClassScore, score_classes
from .detection import DetectionScore, score_boxes
from .of_detector import Run, detector_of
from .of_segmenter import segmenter_of
from .segmentation import SegmentationScore, score_masks

if TYPE_CHECKING:
    from torch import nn

Progress = Callable[[int, int], None]
_TOGETHER = 16  # pictures in one call of a torch module


def evaluate(
    net: "Engine | nn.Module | str | PathLike[str]",
    data: Any,
    *,
    backend: str = "auto",
    threads: int | None = None,
    precision: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> "Score":
    """Score a network on pictures with known answers, as its task wants.

    Args:
        net: an engine; a torch module with a spec; or a file: .onnx runs on an engine, weights in any known layout
            run in torch, in the form that they have.
        data: what `open_pictures` takes, for a detector what `open_boxes` takes, for a segmenter what
            `open_masks` takes; the class order is that of the network's labels, where it has labels.
        backend: engine for an .onnx file.
        threads: of that engine.
        precision: of that engine.
        progress: told (done, total) pictures.

    Raises:
        BadValue: the network has no task that is scored, or other classes than the data.
        BadFile: no such data or network.
        MissingExtra: faster-coco-eval is not installed, for a detector.
    """
    if isinstance(net, str | PathLike) and Path(net).suffix == ".onnx":
        with load(fspath(net), backend=backend, threads=threads, precision=precision) as opened:
            return evaluate(opened, data, progress=progress)
    if isinstance(net, str | PathLike):
        net = create_model(read_checkpoint(fspath(net)).network.model, weights=net)
    scorer = _SCORERS.get(cast(ModelSpec, net.spec).task or "")
    if scorer is None:
        spec = cast(ModelSpec, net.spec)
        raise BadValue(
            f"{spec.name!r} has the task {spec.task!r}; a network whose file says one of {[*_SCORERS]} is required"
        )
    return scorer(net, Path(data) if isinstance(data, str) else data, progress)


def _score_classes(net: "Engine | nn.Module", data: Any, progress: Progress) -> ClassScore:
    spec = cast(ModelSpec, net.spec)
    output, run = _scores(spec), _runner(net)
    return score_classes(
        lambda images: run(images)[output.name],
        open_pictures(data, spec.labels),
        spec.input,
        batch=_together(net),
        logits=output.meaning == "logits",
        progress=progress,
    )


def _score_boxes(net: "Engine | nn.Module", data: Any, progress: Progress) -> DetectionScore:
    spec = cast(ModelSpec, net.spec)
    detect = detector_of(_runner(net), spec)
    return score_boxes(detect, open_boxes(data, spec.labels), batch=_together(net), progress=progress)


def _score_masks(net: "Engine | nn.Module", data: Any, progress: Progress) -> SegmentationScore:
    spec = cast(ModelSpec, net.spec)
    segment = segmenter_of(_runner(net), spec)
    return score_masks(segment, open_masks(data, spec.labels), batch=_together(net), progress=progress)


Score = ClassScore | DetectionScore | SegmentationScore

_SCORERS: Mapping[str, Callable[["Engine | nn.Module", Any, Progress], Score]] = {
    "classify": _score_classes,
    "detect": _score_boxes,
    "segment": _score_masks,
}


def _scores(spec: ModelSpec) -> OutputSpec:
    for output in spec.outputs:
        if output.meaning in ("logits", "probabilities"):
            return output
    raise BadValue(f"{spec.name!r} has no output that means 'logits' or 'probabilities'; set OutputSpec.meaning")


def _together(net: "Engine | nn.Module") -> int:
    return 1 if isinstance(net, Engine) else _TOGETHER


def _runner(net: "Engine | nn.Module") -> Run:
    if isinstance(net, Engine):
        return net.run
    from .of_torch import outputs_of

    return outputs_of(net, [output.name for output in cast(ModelSpec, net.spec).outputs])
