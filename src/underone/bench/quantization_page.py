"""The doctor's findings as one page: what each layer costs, what each remedy gains, what it is worth in time."""

from collections.abc import Sequence
from pathlib import Path

from ..files import make_folder
from ..quantization import Diagnosis
from .quantization_plots import channel_ranges, layer_errors, remedy_gains
from .record import Record
from .report import Report, Section, Table, instability_notes, speed_table, write_report

_SHOWN = 12  # layers in the table, the most expensive ones


def write_diagnosis(found: Diagnosis, folder: Path, records: Sequence[Record] = (), labels: Sequence[str] = ()) -> Path:
    """Write what the doctor found: ``diagnosis.json`` and ``index.html``, one file without outside references.

    Args:
        found: what `diagnose` gives.
        folder: is made if need be.
        records: of the float32 and the quantised file, measured in one run.
        labels: names of the records.

    Returns:
        The path of the page.

    Raises:
        BadFile: the folder cannot be written.
    """
    folder = make_folder(folder)
    (folder / "diagnosis.json").write_text(found.model_dump_json(indent=1), "utf-8")
    first, last = found.gains[0], found.gains[-1]
    report = Report(
        title=f"{found.model} in 8 bits",
        intro=(
            f"Weights in int8 with a scale for each output channel, activations in uint8 with a scale for each tensor; "
            f"ranges by {found.calibration!r} on {found.pictures} pictures. Errors are squared errors over the squared "
            "signal (NMSE) of the outputs, against the float32 network on some of the same pictures.",
        ),
        tiles=_tiles(found),
        sections=[
            _remedies(found),
            _layers(found),
            _channels(found),
            *([_speed(records, labels)] if records else []),
        ],
        footer=f"{len(found.layers)} layers; error {first.nmse:.1e} before any remedy, {last.nmse:.1e} after all.",
    )
    return write_report(report, folder / "index.html")


def gains_table(found: Diagnosis) -> Table:
    """Show the error after each remedy."""
    rows = [
        (
            g.remedies[-1] if g.remedies else "none",
            f"{g.nmse:.2e}",
            f"{found.gains[0].nmse / max(g.nmse, 1e-30):.1f}×",
            "–" if g.same_top1 is None else f"{g.same_top1:.1f} %",
        )
        for g in found.gains
    ]
    return Table(("remedy, with those above", "NMSE", "less than at first", "same top-1"), rows, frozenset((1, 2, 3)))


def layers_table(found: Diagnosis) -> Table:
    """Show the layers that cost most."""
    worst = sorted(found.layers, key=lambda layer: -layer.alone)[:_SHOWN]
    rows = [
        (
            x.name,
            x.op,
            f"{x.alone:.1e}",
            f"{x.accumulated:.1e}",
            f"{x.weights_apart:.1f}×",
            f"{x.inputs_apart:.1f}×",
            x.widened_by or "–",
        )
        for x in worst
    ]
    header = ("layer", "operator", "alone", "adds up to", "weights apart", "inputs apart", "widened by")
    return Table(header, rows, frozenset((2, 3, 4, 5)))


def _tiles(found: Diagnosis) -> list[tuple[str, str]]:
    first, last = found.gains[0], found.gains[-1]
    tiles = [
        (f"{last.nmse:.1e}", "error of the outputs with all remedies"),
        (f"{first.nmse / max(last.nmse, 1e-30):.1f}×", "less than without any"),
    ]
    if last.same_top1 is not None:
        tiles.append((f"{last.same_top1:.1f} %", "pictures with the same best class"))
    return tiles


def _remedies(found: Diagnosis) -> Section:
    return Section(
        title="What each remedy gains",
        text=("Each row has one remedy more than the row above it.",),
        plots=[remedy_gains(found)],
        tables=[gains_table(found)],
    )


def _layers(found: Diagnosis) -> Section:
    return Section(
        title="What each layer costs",
        text=(
            "Alone: the error of the network's outputs when that layer alone is quantised, as it was folded, without a "
            "remedy. Adds up to: the error of what the layer itself gives when all are quantised, with all remedies. "
            "Apart: the widest channel over the median channel, of its weights and of what it reads. Widened by: the "
            "branch that gave the widest channel its largest weight, where the weights in training form were given.",
        ),
        plots=[layer_errors(found)],
        tables=[layers_table(found)],
    )


def _channels(found: Diagnosis) -> Section:
    return Section(
        title="Channels that share a range",
        text=(
            "One range holds all channels of a tensor. Channels far below the widest one have few of its 255 steps; "
            "equalisation scales them up, and the weights behind them down.",
        ),
        plots=[channel_ranges(channels) for channels in found.channels],
    )


def _speed(records: Sequence[Record], labels: Sequence[str]) -> Section:
    notes = instability_notes(records, labels)
    return Section(title="What it is worth", tables=[speed_table(records, labels)], notes=notes)
