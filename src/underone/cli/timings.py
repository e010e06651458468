"""What the commands print of measurements: records side by side, the layers of a network."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from .show import line, new_table, out

if TYPE_CHECKING:
    from ..bench import Record
    from ..runtime import Layer, Profile
    from ..study import Choice, Trial
    from ..study.table import Task


def records(value: "Sequence[Record]", stated: "Sequence[str]" = ()) -> None:
    """Print measurements with their ratio to the first one that has samples; what all have in common stands above.

    Args:
        value: the measurements.
        stated: protocols whose figures stand below.
    """
    line(f"{value[0].machine}")
    varying = [name for name in ("threads", "precision", "form") if len({getattr(r, name) for r in value}) > 1]
    timed = [r for r in value if r.samples_ms]
    times = ["median_ms", "p90_ms", "min_ms"] + ["paper_ms"] * any(r.paper_ms for r in timed)
    table = new_table(None)
    for name in ("model", "engine", *varying):
        table.add_column(name, no_wrap=True)
    for name in times:
        table.add_column(_TIMES[name], justify="right", no_wrap=True)
    table.add_column("vs. first", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for r in value:
        names = (escape(r.model), r.engine, *(str(getattr(r, name) or "–") for name in varying))
        table.add_row(*names, *(_milliseconds(getattr(r, name)) for name in times), _against(timed, r), _judged(r))
    out.print(table)
    if stated:
        _figures(timed, stated)
    _record_notes(value, timed)


def _figures(timed: "Sequence[Record]", stated: "Sequence[str]") -> None:
    from ..bench import figure

    table = new_table(None)
    for name in ("model", "engine", "threads", "precision", "protocol"):
        table.add_column(name, no_wrap=True)
    table.add_column("ms (95 % interval)", justify="right", no_wrap=True)
    for r in timed:
        for name in stated:
            told = str(figure(r, name) or f"{len(r.samples_ms)} calls: too few or short")
            table.add_row(escape(r.model), r.engine, str(r.threads), r.precision, name, told)
    out.print(table)


def trials(value: "Sequence[Trial]") -> None:
    """Print what a study found, one line a case; what was refused says why below."""
    from ..study.columns import DOUBT, digits, doubts, engines_of, peer_cell, refusals, whole_name

    engines = engines_of(value)
    table = new_table("milliseconds, median")
    table.add_column("network", overflow="fold")
    for name in (*engines, "best peer by ours"):
        table.add_column(name, justify="right", no_wrap=True)
    for t in value:
        doubtful = {r.engine for r in t.engines.values() if r.verdict != "stable"}
        times = (digits(t.milliseconds(e)) + DOUBT * (e in doubtful) for e in engines)
        table.add_row(escape(whole_name(t)), *times, peer_cell(t))
    out.print(table)
    line(*(f"  {text}" for t in value for text in (*refusals(t), *doubts(t))))


def choices(value: "Sequence[Choice]", best: "Choice | None", task: "Task") -> None:
    """Print the front from the fastest to the most accurate, and what was chosen of it."""
    from ..study.table import SCORES

    metric, _ = SCORES[task]
    table = new_table("nobody is faster and more accurate")
    for name in ("network", "px", "engine"):
        table.add_column(name, no_wrap=True)
    for name in (metric, "ms (95 % interval)"):
        table.add_column(name, justify="right", no_wrap=True)
    for c in value:
        if c is not best:
            table.add_row(escape(c.trial.name), str(c.trial.case.size), c.engine, f"{c.score:.1f}", str(c.time))
    out.print(table)
    if best is None:
        line("  nothing holds the budget")
        return
    line(
        f"  chosen: {best.trial.name} ({best.trial.case.source}) at {best.trial.case.size} px on {best.engine}, "
        f"{metric.removesuffix(' %')} {best.score:.1f} % as published for float32, {best.checked} ms measured just now"
    )


def profiles(value: "Sequence[Profile]") -> None:
    """Print the layers of networks: time, work, memory, and how near to the ceiling."""
    for profile in value:
        table = new_table(f"{profile.title}: {profile.ms:.3f} ms, {profile.gflops:.0f} GFLOP/s")
        table.add_column("layer", no_wrap=True)
        table.add_column("op", no_wrap=True)
        for name in ("ms", "share", "MMAC", "MB", "GFLOP/s", "of ceiling"):
            table.add_column(name, justify="right", no_wrap=True)
        for layer in profile.layers:
            table.add_row(*_layer_row(profile, layer, max(12, out.width - _NUMBERS)))
        out.print(table)
        line(
            f"  ceiling: {profile.ceiling / 1e9:.0f} GFLOP/s, float32 multiply-adds in registers, measured just now; "
            f"all layers together {profile.of_ceiling(profile):.0%} of it",
            "  MB: weights and tensors that a layer reads and writes, as float32",
        )


_NUMBERS = 62  # columns of a profile's table behind the name of a layer


def _layer_row(profile: "Profile", layer: "Layer", width: int) -> tuple[str, ...]:
    name = layer.name if len(layer.name) <= width else f"…{layer.name[1 - width :]}"
    share, rate = profile.share(layer), profile.of_ceiling(layer)
    time = f"[bold]{layer.ms:.3f}[/]" if share >= 0.05 else f"{layer.ms:.3f}"
    work = (f"{layer.macs / 1e6:.1f}", f"{layer.bytes_moved / 1e6:.2f}", f"{layer.gflops:.1f}")
    return escape(name), layer.op, time, f"{share:.1%}", *work, f"{rate:.0%}" if layer.macs else "–"


_TIMES = {"median_ms": "median ms", "p90_ms": "p90", "min_ms": "min", "paper_ms": "of 1000"}


def _milliseconds(time: float | None) -> str:
    return "–" if time is None else f"{time:.3f}"


def _against(timed: "Sequence[Record]", r: "Record") -> str:
    from ..bench import ratio

    return "1×" if timed and r is timed[0] else str((ratio(timed[0], r) if timed else None) or "–")


def _judged(r: "Record") -> str:
    word = r.verdict.partition(":")[0]
    return f"[{ {'stable': 'green', 'unstable': 'yellow'}.get(word, 'red') }]{word}[/]"


def _fed(r: "Record") -> str:
    flows = {"stream": "photographs through a stream", "answers": "photographs through a stream, to answers"}
    return flows.get(r.protocol.flow, r.protocol.input)


def _record_notes(value: "Sequence[Record]", timed: "Sequence[Record]") -> None:
    for r in value:
        if r.verdict != "stable":
            line(f"  {r.model} on {r.engine}: {r.verdict}")
    if timed:
        r = timed[0]
        line(
            f"  the first: {r.threads} thread{'s' * (r.threads > 1)}, {r.precision}, {len(r.samples_ms)} calls in "
            f"{len(r.round_sizes)} rounds and {r.protocol.processes} processes, fed {_fed(r)};",
            "  outputs compared before; vs. first: ratio of speeds, median over the rounds, 95 % bootstrap interval",
        )
