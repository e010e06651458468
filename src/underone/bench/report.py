"""A report: sections of text, pictures, plots and tables, as one self-contained HTML file."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from PIL import Image

from ..compare import Verdict
from ..errors import MissingExtra
from ..files import atomic_write
from .machine import Machine
from .record import Record, ratio

try:
    from jinja2 import Environment, StrictUndefined
except ImportError as error:
    raise MissingExtra("a report", "jinja2", "report") from error


@dataclass(frozen=True)
class Table:
    """Rows of finished text under a caption; `numbers` are the columns that stand to the right."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture inside the page, as a data address."""

    data: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Section:
    """One numbered part of a report, in the order of its fields; plots stand beside each other where they fit."""

    title: str
    text: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    plots: Sequence[str] = ()
    side_by_side: bool = False
    tables: Sequence[Table] = ()
    code: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    """A page; tiles are (value, what it is) pairs, shown large."""

    title: str
    intro: Sequence[str] = ()
    tiles: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = field(default_factory=list)
    footer: str = ""


def write_report(report: Report, path: Path) -> Path:
    """Write a report as one HTML file without any outside reference; return its path.

    Raises:
        BadFile: the folder does not exist or cannot be written.
    """
    template = (files(__package__) / "report.html.j2").read_text("utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(template).render(report=report)
    with atomic_write(path) as temporary:
        temporary.write_text(page, "utf-8")
    return path


def machines_named(what: str, machines: Iterable[Machine]) -> tuple[str, ...]:
    """Introduce the machines of a page, with a warning where there are several.

    Args:
        what: that was measured on them, in the plural.
        machines: of everything on the page.
    """
    named = {machine.fingerprint: str(machine) for machine in machines}
    lines = tuple(f"{name}: {text}" for name, text in named.items())
    if len(named) == 1:
        return lines
    return (*lines, f"{what} of {len(named)} machines: figures of different machines are in different tables.")


def picture(image: Image.Image, alt: str, caption: str, width: int = 640) -> Picture:
    """Put a picture into the page, at most `width` pixels wide."""
    shown = image.convert("RGB")
    shown.thumbnail((width, 2 * width), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    shown.save(data, "JPEG", quality=88)
    return Picture(f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}", alt, caption)


def verdict_table(verdict: Verdict) -> Table:
    """Show every comparison of a verdict, under what was compared with what."""
    rows = [
        (
            c.on, c.output, f"{c.nmse:.1e}", f"{c.limits.nmse:.0e}", f"{c.peak:.1e}", f"{c.limits.peak:.0e}",
            {True: "same", False: "differs", None: "–"}[c.same_top1], "passed" if c.passed else "FAILED",
        )
        for c in verdict.comparisons
    ]  # fmt: skip
    header = ("input", "output", "NMSE", "limit", "worst / RMS", "limit", "top-1", "verdict")
    return Table(header, rows, frozenset((2, 3, 4, 5)), f"{verdict.subject} against {verdict.reference}")


def speed_table(records: Sequence[Record], labels: Sequence[str], baseline: int = 0) -> Table:
    """Show records of one run with their ratio to one of them.

    Args:
        records: in the order of the rows.
        labels: names of the rows.
        baseline: index of the record that is 1×.
    """
    rows = [_speed_row(r, name, records[baseline]) for r, name in zip(records, labels, strict=True)]
    header = ("what ran", "median ms", "p90", "min", "min of 1000", "calls", "speed against the first", "verdict")
    return Table(header, rows, frozenset((1, 2, 3, 4, 5, 6)))


def _speed_row(record: Record, label: str, baseline: Record) -> tuple[str, ...]:
    if record.error is not None:
        return (label, *("–",) * 6, "failed")
    times = (record.median_ms, record.p90_ms, record.min_ms, record.paper_ms)
    faster = "1×" if record is baseline else str(ratio(baseline, record) or "–")
    return (
        label,
        *("–" if t is None else f"{t:.2f}" for t in times),
        str(len(record.samples_ms)),
        faster,
        record.verdict.partition(":")[0],
    )


def instability_notes(records: Sequence[Record], labels: Sequence[str]) -> list[str]:
    """Say of every record that is not stable why it is not, in one sentence each."""
    return [f"{name}: {r.verdict}." for r, name in zip(records, labels, strict=True) if r.verdict != "stable"]
