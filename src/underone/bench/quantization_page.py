"""The doctor's findings as one page: what each layer costs, what each remedy gains, what it is worth in time."""

from collections.abc import Sequence
from pathlib import Path

from ..files import atomic_write, make_folder
from ..quantization import Diagnosis
from ..quantization.diagnosis import Option
from .quantization_plots import accuracy_and_time, channel_ranges, histograms, layer_errors, remedy_gains
from .record import Record
from .report import Report, Section, Table, instability_notes, speed_table, write_report

_SHOWN = 12  # layers in the table, the most expensive ones


def write_diagnosis(found: Diagnosis, folder: Path, records: Sequence[Record] = ()) -> Path:
    """Write what the doctor found: ``diagnosis.json`` and ``index.html``, one file without outside references.

    Args:
        found: what `diagnose` gives.
        folder: is made if need be.
        records: of the float32 network and of every option, measured in one run.

    Returns:
        The path of the page.

    Raises:
        BadFile: the folder cannot be written.
    """
    folder = make_folder(folder)
    with atomic_write(folder / "diagnosis.json") as path:
        path.write_text(found.model_dump_json(indent=1), "utf-8")
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
            *([_speed(found, records)] if records else []),
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
            "equalisation scales them up, and the weights behind them down. Under each layer's channels stand the "
            "values that it reads.",
        ),
        side_by_side=True,
        plots=[draw(channels) for channels in found.channels for draw in (channel_ranges, histograms)],
    )


def _speed(found: Diagnosis, records: Sequence[Record]) -> Section:
    labels = ["float32", *(_label(option) for option in found.options)]
    times = [record.median_ms for record in records]
    rows = [
        (label, f"{o.nmse:.1e}", "–" if o.same_top1 is None else f"{o.same_top1:.1f} %", ", ".join(o.kept) or "–")
        for label, o in zip(labels[1:], found.options, strict=True)
    ]
    kept = Table(("option", "NMSE", "same top-1", "layers in float32"), rows, frozenset((1, 2)))
    return Section(
        title="Accuracy against time",
        text=(
            "The layers that cost most stay in float32, with the usual remedies; all run in turns on "
            f"{records[0].engine}, {records[0].threads} thread, on {records[0].machine}.",
        ),
        plots=[accuracy_and_time(found, [t for t in times[1:] if t], times[0])] if all(times) else [],
        tables=[speed_table(records, labels), kept],
        notes=instability_notes(records, labels),
    )


def _label(option: Option) -> str:
    return f"{len(option.kept)} layer{'s' * (len(option.kept) > 1)} in float32" if option.kept else "all in int8"
