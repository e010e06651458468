"""Records and Verdicts as plots: inline SVG, drawn again from the stored numbers at any time."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..compare import Verdict
from ..errors import BadFile, MissingExtra
from ..files import atomic_write
from ..runtime.profile import Profile
from .record import Record

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
except ImportError as error:
    raise MissingExtra("a report", "matplotlib", "report") from error

COLORS = ("#2563eb", "#0d9488", "#d97706", "#9333ea", "#dc2626", "#4b5563", "#65a30d", "#0891b2")
_STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9ca3af",
    "axes.labelcolor": "#374151",
    "text.color": "#111827",
    "xtick.color": "#6b7280",
    "ytick.color": "#374151",
    "svg.fonttype": "none",
    "svg.hashsalt": "underone",  # the same numbers give the same file
}


def latency(records: Sequence[Record], labels: Sequence[str]) -> str:
    """Draw every sample of each record as a dot, the median as a bar, on one time axis.

    Args:
        records: records with samples, drawn from top to bottom.
        labels: their names on the axis.

    Returns:
        SVG text.
    """
    return svg(latencies(records, labels))


def latencies(records: Sequence[Record], labels: Sequence[str]) -> Figure:
    """Draw what `latency` gives as text."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.2, 0.62 * len(records) + 0.9))
        axes = figure.subplots()
        for row, record in enumerate(records):
            _latency_row(axes, row, record, COLORS[row % len(COLORS)])
        axes.set_yticks(range(len(records)), labels)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.18 * max(float(np.percentile(r.samples_ms, 99)) for r in records))
        axes.set_xlabel("milliseconds for one picture; bar: median, dots: single calls (slowest 1 % cut off)")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#e5e7eb", linewidth=0.8)
        axes.set_axisbelow(True)
        return figure


def block_errors(verdict: Verdict) -> str:
    """Draw the error of every comparison of a fold certificate, in the order of the network, on a log scale.

    Returns:
        SVG text.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.2, 3.0))
        axes = figure.subplots()
        floor = 1e-17  # an exact result has no place on a log axis
        rows = verdict.comparisons
        for color, (kind, part) in zip(COLORS, _by_input(verdict).items(), strict=False):
            axes.scatter(range(len(part)), [max(v, floor) for v in part], s=18, color=color, label=kind, zorder=3)
        limit = max(c.limits.nmse for c in rows)
        axes.axhline(limit, color="#dc2626", linewidth=1, linestyle="--")
        axes.annotate(f"limit {limit:.0e}", (0, limit), (0, 4), textcoords="offset points", color="#dc2626", fontsize=9)
        axes.set_yscale("log")
        axes.set_ylim(floor / 3, limit * 30)
        axes.set_xlabel("block, in the order of the network")
        axes.set_ylabel("error / signal (NMSE)")
        axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
        axes.legend(frameon=False, loc="lower right", ncols=3)
        return svg(figure)


def layers(profile: Profile, path: Path) -> Path:
    """Draw where the time of a network goes: milliseconds of each layer, and its share of the ceiling.

    Args:
        profile: what `Engine.profile` gives.
        path: file to write; its suffix, .png, .svg or .pdf, is the format.

    Raises:
        BadFile: another suffix, or the file cannot be written.
    """
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise BadFile(f"{path}: a plot is written as .png, .svg or .pdf")
    rows = range(len(profile.layers))
    with mpl.rc_context(_STYLE), atomic_write(path) as temporary:
        figure = Figure(figsize=(10, 0.21 * len(rows) + 1.3), layout="constrained")
        figure.suptitle(f"{profile.title}: {profile.ms:.2f} ms, {profile.of_ceiling(profile):.0%} of the ceiling")
        time, rate = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        colors = {op: COLORS[i % len(COLORS)] for i, op in enumerate(dict.fromkeys(x.op for x in profile.layers))}
        for axes, values, title in (
            (time, [x.ms for x in profile.layers], "milliseconds"),
            (rate, [100 * profile.of_ceiling(x) for x in profile.layers], "% of the float32 ceiling"),
        ):
            axes.barh(rows, values, height=0.78, color=[colors[x.op] for x in profile.layers])
            axes.set_xlabel(title)
            axes.grid(axis="x", color="#e5e7eb", linewidth=0.8)
            axes.set_axisbelow(True)
            axes.tick_params(axis="y", length=0, labelsize=7)
        time.set_yticks(rows, [_short(x.name) for x in profile.layers])
        time.set_ylim(len(rows) - 0.4, -0.6)
        time.legend(
            [Rectangle((0, 0), 1, 1, color=c) for c in colors.values()], colors, frameon=False, fontsize=8,
            loc="lower right",
        )  # fmt: skip
        figure.savefig(temporary, dpi=140)
    return path


def _short(name: str) -> str:
    return name if len(name) <= 36 else f"…{name[-35:]}"


def _latency_row(axes: Axes, row: int, record: Record, color: str) -> None:
    samples = np.asarray(record.samples_ms)
    shown = samples[np.linspace(0, len(samples) - 1, min(len(samples), 400)).astype(int)]
    spread = np.random.default_rng(row).uniform(-0.22, 0.22, len(shown))
    median = float(np.median(samples))
    axes.barh(row, median, height=0.62, color=color, alpha=0.22, linewidth=0)
    axes.scatter(shown, row + spread, s=3, color=color, alpha=0.45, linewidths=0)
    axes.plot([median, median], [row - 0.31, row + 0.31], color=color, linewidth=2)
    axes.annotate(
        f"{median:.2f} ms", (median, row), (6, 0), textcoords="offset points", va="center", fontweight="bold",
        bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8},
    )  # fmt: skip


def _by_input(verdict: Verdict) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in verdict.comparisons:
        found.setdefault(row.on.rpartition(" ")[2], []).append(row.nmse)
    return found


@contextmanager
def axes_of(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """Give an empty plot of that size, in inches, in the style of all of them."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height))
        yield figure, figure.subplots()


def svg(figure: Figure) -> str:
    """Give a plot as SVG text, to stand inside a page."""
    text = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(text, format="svg", bbox_inches="tight", transparent=True, metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write a plot as PNG and as SVG.

    Raises:
        BadFile: the folder cannot be written.
    """
    with atomic_write(folder / f"{name}.png") as temporary:
        figure.savefig(temporary, format="png", dpi=160, bbox_inches="tight")
    with atomic_write(folder / f"{name}.svg") as temporary:
        temporary.write_text(svg(figure), "utf-8")
