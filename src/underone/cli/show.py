"""What the commands print: results on standard output, progress, warnings and errors on standard error."""

import json as json_module
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from ..bench import Record
    from ..compare import Verdict
    from ..conversion import Conversion
    from ..runtime import Layer, Profile
    from ..training.result import Progress as Training
    from ..zoo import ModelInfo

out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def line(*lines: str) -> None:
    """Print lines of plain text."""
    for text in lines:
        out.print(escape(text), soft_wrap=True)


def error(text: str) -> None:
    """Print one line in red on standard error."""
    err.print(f"[bold red]error:[/] {escape(' '.join(text.split()) if text.count(chr(10)) > 20 else text)}")


def warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as one line, without the line of source that Python adds."""
    err.print(f"[yellow]warning:[/] {escape(str(message))}")


@contextmanager
def messages() -> Iterator[None]:
    """Print warnings and what the library logs, for example downloads, as single lines on standard error."""
    log, handler, shown = logging.getLogger("underone"), _Lines(), warnings.showwarning
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    warnings.showwarning = warning
    try:
        yield
    finally:
        warnings.showwarning = shown
        log.setLevel(level)
        log.removeHandler(handler)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            warning(record.getMessage())
        else:
            err.print(f"[dim]{escape(record.getMessage())}[/]")


def result(value: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    """Print a result as one JSON document, or for a person."""
    if as_json:
        sys.stdout.write(json_module.dumps(_plain(value), indent=1) + "\n")
    else:
        show(value)


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "to_json"):
        return json_module.loads(value.to_json())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """Give a function that prints a finished step with the time it took; a spinner turns in between."""
    last = time.perf_counter()
    with err.status("starting") as status:

        def done(text: str) -> None:
            nonlocal last
            now = time.perf_counter()
            mark = "[green]✓[/]"
            err.print(f"{mark} [dim]{now - last:6.1f} s[/]  {escape(text)}")
            status.update("working")
            last = now

        yield done


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function (what, done, total) that moves a progress bar on standard error."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("starting")
        yield lambda what, done, total: progress.update(task, description=what, completed=done, total=total)


@contextmanager
def training(quiet: bool = False) -> Iterator[Callable[["Training"], None]]:
    """Give a function that shows where a run is: a bar for the epoch, and a line for each that is done."""
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(TextColumn("{task.description}"), BarColumn(), console=err, transient=True, disable=quiet)
    shown: float | None = None
    with bar:
        task = bar.add_task("starting")

        def update(where: "Training") -> None:
            nonlocal shown
            if where.step == 1 and where.score is not None and not quiet:
                best = "" if shown is None or where.score <= shown else " [green]better[/]"
                shown = max(where.score, shown or 0.0)
                err.print(f"epoch {where.epoch - 1:>3}/{where.epochs}  validation {where.score:5.1f} %{best}")
            left = time.strftime("%-H:%M:%S", time.gmtime(where.seconds_left))
            speed = f"{where.images_per_second:.0f} img/s  {left} left"
            text = f"epoch {where.epoch:>3}/{where.epochs}  loss {where.loss:.3f}  {speed}"
            bar.update(task, description=text, completed=where.step, total=where.steps)

        yield update


def verdict(value: "Verdict") -> None:
    """Print a verdict: its inputs as rows, then facts and notes."""
    table = new_table(f"{value.kind}: {value.subject} against {value.reference}")
    for name in ("input", "output"):
        table.add_column(name, overflow="fold")
    for name in ("NMSE", "limit", "worst / RMS", "limit"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("top-1")
    table.add_column("verdict")
    shown, hidden = _shortened(value)
    for row in shown:
        top1 = {True: "same", False: "[red]differs[/]", None: "–"}[row.same_top1]
        passed = "[green]passed[/]" if row.passed else "[bold red]FAILED[/]"
        errors = (f"{row.nmse:.1e}", f"{row.limits.nmse:.0e}", f"{row.peak:.1e}", f"{row.limits.peak:.0e}")
        table.add_row(row.on, row.output, *errors, top1, passed)
    out.print(table)
    if hidden:
        line(f"and {hidden} comparisons of single blocks, all of them passed; --json shows them")
    for name, fact in value.facts.items():
        line(f"  {name.replace('_', ' ')}: {_text(fact)}")
    for note in value.notes:
        line(f"  note: {note}")


def _shortened(value: "Verdict") -> tuple[list[Any], int]:
    """Leave out the passed comparisons of single blocks when there are many, but for the worst."""
    rows = list(value.comparisons)
    if len(rows) <= 24:
        return rows, 0
    shown = [r for r in rows if " " not in r.on or not r.passed or r == value.worst]
    return shown, len(rows) - len(shown)


def conversion(value: "Conversion") -> None:
    """Print what was read, tensor by tensor, what was left out or assumed, and what was written."""
    by = f", {value.form} form, tensors named by {value.layout}" if value.road == "zoo" else ", taken over as a graph"
    table = new_table(f"{value.source} ({value.format}): {value.spec.name}{by}")
    table.add_column("name in the file", overflow="fold")
    table.add_column("axes", no_wrap=True)
    table.add_column("our name", overflow="fold")
    table.add_column("shape", justify="right", no_wrap=True)
    for row in value.rows:
        ours = "the same" if row.ours == row.theirs else row.ours
        cells = [escape(text) for text in (row.theirs or "computed", row.change or "as they are", ours)]
        table.add_row(*cells, " × ".join(map(str, row.shape)) or "scalar")
    out.print(table)
    prepared = value.spec.inputs[0].preparation if value.spec.inputs else None
    line(f"{len(value.rows)} tensors")
    mapping({"preparation": prepared.model_dump(mode="json") if prepared else "the file does not say"})
    line(*(f"note: {note}" for note in value.notes))
    for proof in (value.parity, value.verdict):
        if proof is not None:
            verdict(proof)
    line(f"written: {value.output}")


def records(value: "Sequence[Record]") -> None:
    """Print measurements with their ratio to the first one that has samples; what all have in common stands above."""
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
    _record_notes(value, timed)


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


def _record_notes(value: "Sequence[Record]", timed: "Sequence[Record]") -> None:
    for r in value:
        if r.verdict != "stable":
            line(f"  {r.model} on {r.engine}: {r.verdict}")
    if timed:
        r = timed[0]
        line(
            f"  the first: {r.threads} thread{'s' * (r.threads > 1)}, {r.precision}, {len(r.samples_ms)} calls in "
            f"{len(r.round_sizes)} rounds and {r.protocol.processes} processes, fed {r.protocol.input};",
            "  outputs compared before; vs. first: ratio of speeds, median over the rounds, 95 % bootstrap interval",
        )


def model_table(value: "Sequence[ModelInfo]") -> None:
    """Print one line for each network."""
    if not value:
        line("no network of that name; `underone list` shows all")
        return
    table = new_table(None)
    table.add_column("name", no_wrap=True)
    for name in ("params M", "MACs M", "top-1"):
        table.add_column(name, justify="right")
    table.add_column("trained weights", overflow="fold")
    for info in value:
        table.add_row(*_model_row(info))
    out.print(table)
    line(
        f"{len(value)} networks; figures as published at 224 px. Weights in brackets are known by name, not fetched: "
        "`underone info NAME` says where they are."
    )


def _model_row(info: "ModelInfo") -> tuple[str, ...]:
    published = info.published
    tags = ", ".join(w.tag if w.fetchable else f"({w.tag})" for w in info.weights)
    if published is None:
        return info.name, "–", "–", "–", escape(tags)
    millions = (f"{n / 1e6:.2f}" if n else "–" for n in (published.params, published.macs))
    return info.name, *millions, f"{published.top1:.1f}" if published.top1 else "–", escape(tags)


def mapping(value: Any) -> None:
    """Print nested facts, one a line."""
    for text in _lines(_plain(value), ""):
        line(text)


def _lines(value: dict[str, Any], indent: str) -> Iterator[str]:
    for name, item in value.items():
        if item is None or item in ([], {}):
            continue
        label = f"{indent}{name.replace('_', ' ')}:"
        if isinstance(item, dict) and item:
            yield label
            yield from _lines(item, indent + "  ")
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            yield label
            for part in item:
                first, *rest = _lines(part, "")
                yield f"{indent}  - {first}"
                yield from (f"{indent}    {text}" for text in rest)
        else:
            yield f"{label} {_text(item)}"


def _text(item: Any) -> str:
    if isinstance(item, bool) or item is None:
        return {True: "yes", False: "no", None: "–"}[item]
    if isinstance(item, int):
        return f"{item:,}"
    if isinstance(item, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_text(part)}" for name, part in item.items())
    return ", ".join(map(str, item)) if isinstance(item, list | tuple) else str(item)


def new_table(title: str | None) -> Table:
    """Return an empty table in the style of all commands."""
    return Table(
        padding=(0, 1, 0, 0),
        title=title and escape(title),
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="dim",
    )
