"""Findings of the quantisation doctor as plots: inline SVG."""

import numpy as np

from ..quantization import Diagnosis
from ..quantization.diagnosis import Channels
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
        for color, label, values in (
            (COLORS[4], "as folded", channels.before), (COLORS[1], "equalised", channels.after)
        ):  # fmt: skip
            widest = max(max(values), 1e-30)
            axes.plot(255 * np.maximum(values, 0) / widest, linewidth=1.6, color=color, label=label)
        axes.set_ylim(0, 270)
        axes.set_title(channels.layer, fontsize=10, loc="left")
        axes.set_xlabel("channel, from the widest down")
        axes.set_ylabel("steps of 255 that it has")
        axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
        axes.legend(frameon=False, ncols=2, loc="lower left")
        return svg(figure)
