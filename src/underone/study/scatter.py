"""Points with names: what latency is set against, as a plot that answers to a finger and stands alone as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ..bench.plots import COLORS, axes_of, svg


@dataclass(frozen=True)
class Point:
    """One network on a plot.

    Attributes:
        name: shown when the point is touched.
        x: above zero.
        y: above zero.
        group: points of a group have one colour.
        label: always beside the point; empty: nothing.
        sure: whether the figure was stable; others are hollow.
    """

    name: str
    x: float
    y: float
    group: str
    label: str = ""
    sure: bool = True


def scatter(points: Sequence[Point], title: str, across: str, up: str, log_y: bool = True) -> Figure:
    """Draw points on a logarithmic axis.

    Args:
        points: at least one.
        title: above the plot.
        across: name of the x axis.
        up: name of the y axis.
        log_y: whether that one is logarithmic too.
    """
    groups = list(dict.fromkeys(point.group for point in points))
    with axes_of(5.4, 4.1) as (figure, axes):
        for i, point in enumerate(points):
            color = COLORS[groups.index(point.group) % len(COLORS)]
            face = color if point.sure else "none"
            dot = axes.scatter(point.x, point.y, s=42, c=face, edgecolors=color, linewidths=1.2, alpha=0.85, zorder=3)
            dot.set_gid(f"point-{i}")
            if point.label:
                axes.annotate(point.label, (point.x, point.y), (5, 3), textcoords="offset points", fontsize=7.5)
        for i, group in enumerate(groups):
            axes.scatter([], [], s=42, color=COLORS[i % len(COLORS)], label=group)
        axes.set_xscale("log")
        _plain_ticks(axes.xaxis)
        if log_y:
            axes.set_yscale("log")
            _plain_ticks(axes.yaxis)
        axes.set_title(title, fontsize=10.5, loc="left")
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.grid(color="#e5e7eb", linewidth=0.8)
        axes.set_axisbelow(True)
        if len(groups) > 1:
            axes.legend(frameon=False, fontsize=8.5)
    return figure


def _plain_ticks(axis: Axis) -> None:
    """Write 20 and 0.5 instead of powers of ten, at 1, 2 and 5."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def touchable(figure: Figure, points: Sequence[Point]) -> str:
    """Give the plot as SVG whose points say their names and figures."""
    text = svg(figure)
    for i, point in enumerate(points):
        words = escape(f"{point.name}: {point.x:.4g}, {point.y:.4g}{'' if point.sure else ' (not stable)'}")
        text = text.replace(f'<g id="point-{i}">', f'<g class="point"><title>{words}</title>', 1)
    return text
