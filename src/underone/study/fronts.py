"""Networks with a published accuracy, by width and size of picture, as detectors, as segmenters: time and front."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..bench.report import Section, Table
from .cases import STUDIES
from .columns import digits, engines_of, is_stable, millions, peer_cell, sentinel_cell, time_cell
from .correlation import Draw
from .rank import front
from .scatter import Point, scatter, touchable
from .table import DETECTORS, SCORES, SEGMENTERS, WIDTHS_AND_SIZES, Scores, Task
from .trial import Trial, chosen


@dataclass(frozen=True)
class Printed:
    """A study whose networks have a published accuracy."""

    study: str
    scores: Scores
    task: Task
    title: str
    text: str


_MOBILENETS = Printed(
    "mobilenets", WIDTHS_AND_SIZES, "classify", "Width and size of the picture",
    "Accuracy as tensorflow/models prints it, in slim's mobilenet_v1.md and mobilenet/README.md.",
)  # fmt: skip
_DETECTION = Printed(
    "detection", DETECTORS, "detect", "Detectors",
    "Mean average precision on COCO as MobileOne's paper prints it (table 11) for SSDLite at 320 pixels. It does not "
    "tell which maps the heads read: ours read those of strides 16 and 32. The time is that of the network, without "
    "suppression.",
)  # fmt: skip
_SEGMENTATION = Printed(
    "segmentation", SEGMENTERS, "segment", "Segmenters",
    "Mean IoU on VOC as MobileOne's paper prints it (table 11) for DeepLab v3. It tells neither the output stride nor "
    "the width of the pyramid: ours are 16 and 256, at 513 pixels. Its S4 has no squeeze and excitation, ours has.",
)  # fmt: skip


def mobilenets(trials: Sequence[Trial], draw: Draw) -> Section | None:
    """Set MobileNet V1 and V2 by width and size of the picture."""
    return _section(trials, draw, _MOBILENETS)


def detection(trials: Sequence[Trial], draw: Draw) -> Section | None:
    """Set the paper's detectors beside their accuracy."""
    return _section(trials, draw, _DETECTION)


def segmentation(trials: Sequence[Trial], draw: Draw) -> Section | None:
    """Set the paper's segmenters beside their accuracy."""
    return _section(trials, draw, _SEGMENTATION)


def _section(trials: Sequence[Trial], draw: Draw, of: Printed) -> Section | None:
    found = chosen(trials, STUDIES[of.study])
    engines = engines_of(found)
    if not engines:
        return None
    metric, _ = SCORES[of.task]
    times = [(t, ms, _score(t, of)) for t in found if (ms := t.milliseconds(engines[0])) is not None]
    best = {times[i][0].case for i in front([(ms, score) for _, ms, score in times])}
    header = ("network", "px", "front", metric, "MACs M", "params M", *engines, "by sentinel", "best peer by ours")
    rows = [
        (t.name, str(t.case.size), "●" if t.case in best else "", digits(_score(t, of)), millions(t, "macs"),
         millions(t, "params"), *(time_cell(t.engines.get(e)) for e in engines), sentinel_cell(t, engines[0]),
         peer_cell(t))
        for t in found
    ]  # fmt: skip
    plots = []
    if times:
        points = [
            Point(f"{t.name}, {t.case.size} px", ms, score, _family(t.name), _label(t, of) if t.case in best else "",
                  is_stable(t, engines[0]))
            for t, ms, score in times
        ]  # fmt: skip
        plot = scatter(
            points, "names: nobody is faster and better", f"milliseconds, {engines[0]}", metric, log_y=False
        )  # fmt: skip
        draw(f"{of.study}-front", plot)
        plots.append(touchable(plot, points))
    table = Table(header, rows, frozenset((1, *range(3, len(header)))))
    return Section(title=of.title, text=(of.text,), plots=plots, tables=[table])


def _score(t: Trial, of: Printed) -> float:
    return of.scores[t.case.source, t.case.size]


def _family(name: str) -> str:
    return "MobileOne" if "mobileone" in name.lower() else "MobileNet V1" if "v1" in name.lower() else "MobileNet V2"


def _label(t: Trial, of: Printed) -> str:
    """Say what tells a point from the others of its plot: its width and size, or its backbone."""
    if of.task == "classify":
        return f"{t.case.source[-3:]}, {t.case.size}"
    return t.name.partition("_")[2]
