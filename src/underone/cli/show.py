"""What the commands print: results on standard output, warnings and errors on standard error."""

import json as json_module
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from ..compare import Verdict
    from ..conversion import Conversion
    from ..formats import Bundle
    from ..zoo import ModelInfo

out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def line(*lines: str) -> None:
    """Print lines of plain text."""
    for text in lines:
        out.print(escape(text), soft_wrap=True)


def json_line(value: object) -> None:
    """Print one line of JSON at once: a program may be waiting for it."""
    sys.stdout.write(json_module.dumps(value) + "\n")
    sys.stdout.flush()


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
        line(f"and {hidden} further comparisons, all of them passed; --json shows them")
    for name, fact in value.facts.items():
        line(f"  {name.replace('_', ' ')}: {_text(fact)}")
    for note in value.notes:
        line(f"  note: {note}")


def bundle(value: "Bundle") -> None:
    """Print what a bundle holds, a line for each format, then the notes."""
    from ..formats.bundle.page import HEAD, cells

    table = new_table(f"{value.name}, made from {value.source}")
    for name in (HEAD[0], *HEAD[2:]):  # files stand in folders of their formats' names
        table.add_column(name, overflow="fold")
    for form in value.forms:
        title, _, *rest = cells(form)
        table.add_row(title, *rest)
    out.print(table)
    line(*(f"  {form.format}: {note}" for form in value.forms for note in form.notes))


def _shortened(value: "Verdict") -> tuple[list[Any], int]:
    """Leave out passed comparisons when there are many: those of single blocks and of parts, but for the worst."""
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
