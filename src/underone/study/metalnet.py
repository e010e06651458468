"""The tables of the Metal library of 2018, beside ours."""

from collections.abc import Sequence

from ..bench.report import Section, Table
from .cases import CONVERTED, METAL
from .columns import digits, engines_of, millions, time_cell
from .correlation import Draw
from .published import DEVICES, METAL_FPS, METAL_PRINTED
from .trial import Trial, chosen

_STREAMS = {"stream": "three slots", "answers": "three slots, answers"}


def metalnet(trials: Sequence[Trial], draw: Draw) -> Section | None:  # noqa: ARG001
    """Set frames a second, size and accuracy of converted networks beside those of the Metal library of 2018."""
    ours, theirs = chosen(trials, METAL), chosen(trials, CONVERTED)
    engines = engines_of([*ours, *theirs])
    if not engines:
        return None
    made = (_frames(ours, trials, engines), _costs(ours), _converted(theirs, trials, engines))
    return Section(
        title="Frames a second beside MetalNet",
        text=(
            "Ours: one thread. Calls: from array to array, one after the other. Three slots: a decoded photograph of "
            "800 x 532 pixels through our stream, resized and prepared in it, to the network's outputs; with answers: "
            "to labels, boxes after suppression or a mask of the photograph's size. MetalNet's, as published in 2018: "
            "the GPU of the device, three pictures at a time, no suppression, resizing not counted; in parentheses "
            "Core ML on the same device, also three at a time, behind the comma Core ML 2.",
        ),
        tables=[table for table in made if table.rows],
        notes=[
            f"{t.name}, {score.metric}: {score.error}" for t in theirs for score in t.scores if score.error is not None
        ],
    )


def _frames(found: Sequence[Trial], trials: Sequence[Trial], engines: Sequence[str]) -> Table:
    header = (
        "network", "px", *(f"{e}, calls" for e in engines), *(f"{e}, three slots" for e in engines), *DEVICES
    )  # fmt: skip
    rows = [
        (t.name, str(t.case.size), *(_rate(t, e) for e in engines),
         *(_rate(_in(t, "stream", trials), e) for e in engines), *METAL_FPS[t.case.source])
        for t in found
    ]  # fmt: skip
    return Table(header, rows, frozenset(range(1, len(header))), "frames a second; random weights")


def _costs(found: Sequence[Trial]) -> Table:
    header = ("network", "params M", "printed", "MACs M", "printed", "MB in float16", "printed", "top-1 and 5 printed")
    rows = []
    for t in found:
        params, macs, megabytes, top = METAL_PRINTED.get(t.case.source, ("–",) * 4)
        size = digits(2 * t.facts.params / 1e6) if t.facts else "–"
        rows.append((t.name, millions(t, "params"), params, millions(t, "macs"), macs, size, megabytes, top))
    return Table(header, rows, frozenset(range(1, len(header))), "size; accuracy of the networks before conversion")


def _converted(found: Sequence[Trial], trials: Sequence[Trial], engines: Sequence[str]) -> Table:
    header = (
        "trained network", "params M", *(f"{e}, calls" for e in engines),
        *(f"{engines[0]}, {words}" for words in _STREAMS.values()),
        "right, %", "before", "of what",
    )  # fmt: skip
    rows = [
        (t.name, millions(t, "params"), *(_rate(t, e) for e in engines),
         *(_rate(_in(t, flow, trials), engines[0]) for flow in _STREAMS), *_scored(t))
        for t in found
    ]  # fmt: skip
    caption = "converted networks of other frameworks: frames a second, and accuracy before and after"
    return Table(header, rows, frozenset(range(1, len(header) - 1)), caption)


def _scored(t: Trial) -> tuple[str, str, str]:
    if not t.scores:
        return "–", "–", "no labelled pictures of its objects"
    return (
        "; ".join(digits(score.value) for score in t.scores),
        "; ".join(digits(score.original) for score in t.scores),
        "; ".join(score.metric for score in t.scores),
    )


def _in(t: Trial, flow: str, trials: Sequence[Trial]) -> Trial | None:
    """Return the trial of the same network in another flow."""
    wanted = t.case.model_copy(update={"flow": flow})
    return next((other for other in trials if other.case == wanted), None)


def _rate(t: Trial | None, engine: str) -> str:
    if t is None:
        return "–"
    ms = t.milliseconds(engine)
    return time_cell(t.engines.get(engine)) if ms is None else digits(1000 / ms)
