"""evaluate: a network of any form on labelled pictures."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..data import open_boxes, open_masks, open_pictures
from ..errors import BadValue
from ..runtime import Engine, load
from ..spec import ModelSpec, OutputSpec
from ..weights import read_checkpoint
from ..zoo import create_model
from .classification import ClassScore, score_classes
from .detection import DetectionScore, score_boxes
from .of_detector import Run, detector_of
from .of_segmenter import averaging_segmenter, segmenter_of, tiling_segmenter, with_size
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
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    tiled: bool = False,
    reduced: bool = False,
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
        scales: factors of a segmenter's size; the probabilities of all are averaged. Others than 1 need a network that
            takes any size: weights, or a file with open sizes.
        flip: whether a segmenter looks at each picture in the mirror too.
        tiled: whether a segmenter sees pictures in tiles of its own size, at their full resolution.
        reduced: whether large JPEG files are decoded at a part of their size for a classifier, as `prepare` does it.
        progress: told (done, total) pictures.

    Raises:
        BadValue: the network has no task that is scored, other classes than the data, or not the sizes for `scales`;
            or it is no segmenter, and scales, flip or tiled are given, or no classifier, and reduced is given.
        BadFile: no such data or network.
        MissingExtra: faster-coco-eval is not installed, for a detector.
    """
    if isinstance(net, str | PathLike) and Path(net).suffix == ".onnx":
        with load(fspath(net), backend=backend, threads=threads, precision=precision) as opened:
            return evaluate(opened, data, scales=scales, flip=flip, tiled=tiled, reduced=reduced, progress=progress)
    if isinstance(net, str | PathLike):
        net = create_model(read_checkpoint(fspath(net)).network.model, weights=net)
    spec = cast(ModelSpec, net.spec)
    scorer = _SCORERS.get(spec.task or "")
    if scorer is None:
        raise BadValue(
            f"{spec.name!r} has the task {spec.task!r}; a network whose file says one of {[*_SCORERS]} is required"
        )
    looks = _Looks(tuple(scales), flip, tiled, reduced)
    if reduced and scorer is not _score_classes:
        raise BadValue(f"reduced is for classifiers; {spec.name!r} has the task {spec.task!r}")
    if looks._replace(reduced=False) != _Looks() and scorer is not _score_masks:
        raise BadValue(f"scales, flip and tiled are for segmenters; {spec.name!r} has the task {spec.task!r}")
    return scorer(net, Path(data) if isinstance(data, str) else data, progress, looks)


class _Looks(NamedTuple):
    """How a picture is looked at: how often by a segmenter, or how finely by a classifier."""

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    tiled: bool = False
    reduced: bool = False


def _score_classes(net: "Engine | nn.Module", data: Any, progress: Progress, looks: _Looks) -> ClassScore:
    spec = cast(ModelSpec, net.spec)
    output, run = _scores(spec), _runner(net)
    return score_classes(
        lambda images: run(images)[output.name],
        open_pictures(data, spec.labels),
        spec.input,
        batch=_together(net),
        logits=output.meaning == "logits",
        reduced=looks.reduced,
        progress=progress,
    )


def _score_boxes(net: "Engine | nn.Module", data: Any, progress: Progress, _: _Looks) -> DetectionScore:
    spec = cast(ModelSpec, net.spec)
    detect = detector_of(_runner(net), spec)
    return score_boxes(detect, open_boxes(data, spec.labels), batch=_together(net), progress=progress)


def _score_masks(net: "Engine | nn.Module", data: Any, progress: Progress, looks: _Looks) -> SegmentationScore:
    spec = cast(ModelSpec, net.spec)
    if any(scale != 1 for scale in looks.scales) and isinstance(net, Engine) and None not in spec.input.size:
        raise BadValue(
            f"{spec.name!r} takes pictures of {spec.input.size} alone; for scales={list(looks.scales)} give its "
            "weights, or leave them out"
        )
    sized, run = with_size(spec), _runner(net)
    averages = looks.scales != (1.0,) or looks.flip
    segment = averaging_segmenter(run, sized, looks.scales, looks.flip) if averages else segmenter_of(run, sized)
    if looks.tiled:
        segment = tiling_segmenter(segment, cast(tuple[int, int], sized.input.size))
    return score_masks(segment, open_masks(data, spec.labels), batch=_together(net), progress=progress)


Score = ClassScore | DetectionScore | SegmentationScore

_SCORERS: Mapping[str, Callable[["Engine | nn.Module", Any, Progress, _Looks], Score]] = {
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
