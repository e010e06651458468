"""Findings of the quantisation doctor as plots: inline SVG."""

from collections.abc import Sequence

import numpy as np

from ..quantization import Diagnosis
from ..quantization.diagnosis import Channels, Spread
from .plots import COLORS, axes_of, svg


def remedy_gains(found: Diagnosis) -> str:
    """Draw the error after each remedy as a bar, on a log scale."""
    names = [g.remedies[-1] if g.remedies else "none" for g in found.gains]
    values = [max(g.nmse, 1e-12) for g in found.gains]
    with axes_of(8.2, 0.42 * len(names) + 0.9) as (figure, axes):
        axes.barh(range(len(names)), values, height=0.6, color=COLORS[0], alpha=0.75, linewidth=0)
        for row, value in enumerate(values):
            axes.annotate(f"{value:.1e}", (value, row), (5, 0), textcoords="offset points", va="center", fontsize=9)
        axes.set_xscale("log")
        axes.set_xlim(min(values) / 3, max(values) * 3)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlabel("error / signal of the outputs (NMSE)")
        return svg(figure)


def layer_errors(found: Diagnosis) -> str:
    """Draw both errors of every layer, in the order of the network, on a log scale."""
    with axes_of(8.2, 3.0) as (figure, axes):
        for color, label, values in (
            (COLORS[0], "alone, no remedy", [x.alone for x in found.layers]),
            (COLORS[2], "adds up to, all remedies", [x.accumulated for x in found.layers]),
        ):
            axes.plot(np.maximum(values, 1e-9), marker="o", markersize=4, linewidth=1, color=color, label=label)
        axes.set_yscale("log")
        axes.set_xlabel("layer, in the order of the network")
        axes.set_ylabel("error / signal (NMSE)")
        axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
        axes.legend(frameon=False, ncols=2)
        return svg(figure)


def channel_ranges(channels: Channels) -> str:
    """Draw the ranges of all channels that a layer reads, before and after equalisation, each from the widest down."""
    with axes_of(8.2, 2.4) as (figure, axes):
        for color, label, found in _both(channels):
            widest = max(max(found.channels), 1e-30)
            axes.plot(255 * np.maximum(found.channels, 0) / widest, linewidth=1.6, color=color, label=label)
        axes.set_ylim(0, 270)
        axes.set_title(channels.layer, fontsize=10, loc="left")
        axes.set_xlabel("channel, from the widest down")
        axes.set_ylabel("steps of 255 that it has")
        axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
        axes.legend(frameon=False, ncols=2, loc="lower left")
        return svg(figure)


def histograms(channels: Channels) -> str:
    """Draw what values a layer reads, before and after equalisation, and where the range of uint8 ends."""
    with axes_of(8.2, 2.4) as (figure, axes):
        for color, label, found in _both(channels):
            edges = np.linspace(*found.edges, len(found.counts) + 1)
            axes.stairs(np.maximum(found.counts, 0.5), edges, color=color, linewidth=1.4, label=label)
            for end in found.range:
                axes.axvline(end, color=color, linewidth=1, linestyle="--")
        axes.set_yscale("log")
        axes.set_title(channels.layer, fontsize=10, loc="left")
        axes.set_xlabel("value that the layer reads; dashed: the ends of its range")
        axes.set_ylabel("values of a sample")
        axes.legend(frameon=False, ncols=2, loc="upper right")
        return svg(figure)


def accuracy_and_time(found: Diagnosis, times: Sequence[float], float_ms: float | None) -> str:
    """Draw the error of each option over its time; `float_ms` is that of the float32 network."""
    with axes_of(8.2, 3.0) as (figure, axes):
        errors = [max(option.nmse, 1e-12) for option in found.options]
        axes.plot(times, errors, marker="o", markersize=7, linewidth=1, color=COLORS[0])
        for option, time, value in zip(found.options, times, errors, strict=True):
            text = f"{len(option.kept)} in float32" if option.kept else "all in int8"
            axes.annotate(text, (time, value), (7, 5), textcoords="offset points", fontsize=9)
        if float_ms is not None:
            axes.axvline(float_ms, color=COLORS[5], linewidth=1, linestyle="--")
            axes.text(float_ms, 0.94, "float32 ", transform=axes.get_xaxis_transform(), fontsize=9, ha="right")
        axes.set_xlim(0, 1.3 * max(*times, float_ms or 0))
        axes.set_yscale("log")
        axes.set_ylim(min(errors) / 2, max(errors) * 3)
        axes.set_xlabel("milliseconds for one picture, median")
        axes.set_ylabel("error / signal (NMSE)")
        axes.grid(color="#e5e7eb", linewidth=0.8)
        return svg(figure)


def _both(channels: Channels) -> tuple[tuple[str, str, Spread], ...]:
    return (COLORS[4], "as folded", channels.before), (COLORS[1], "equalised", channels.after)
