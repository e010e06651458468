"""One page of all trials: drawn again from the files at any time, without the machine."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ..bench.plots import save
from ..bench.report import Report, Section, machines_named, write_report
from ..files import make_folder
from .sections import SECTIONS
from .trial import Trial

TITLE = "What latency depends on"


def write_page(trials: Sequence[Trial], folder: Path) -> Path:
    """Write ``report.html``, one file without outside references, and its plots as PNG and SVG in ``plots``.

    Trials of several machines or precisions never share a table: each has sections of its own.

    Args:
        trials: at least one.
        folder: is made if need be.

    Returns:
        The path of the page.

    Raises:
        BadFile: the folder cannot be written.
    """
    plots = make_folder(make_folder(folder) / "plots")
    groups = _groups(trials)
    sections = [s for name, group in groups.items() for s in _sections(name, group, plots, len(groups) > 1)]
    measured = [r for t in trials for r in t.engines.values() if r.samples_ms]
    stable = sum(r.verdict == "stable" for r in measured)
    refused = sum(r.error is not None for t in trials for r in t.engines.values()) + sum(
        t.error is not None for t in trials
    )
    report = Report(
        title=TITLE,
        intro=machines_named("Trials", (t.machine for t in trials)),
        tiles=[
            (str(len({t.case.source for t in trials})), "networks"),
            (str(len(measured)), "Records"),
            (f"{100 * stable / max(1, len(measured)):.0f} %", "of them stable"),
            (str(refused), "refused by an engine, with the reason below"),
        ],
        sections=sections,
        footer=(
            "Medians of round trips from array to array, or of pictures through a stream where it says so; outputs "
            "were compared with the numpy reference before."
        ),
    )
    return write_report(report, folder / "report.html")


def _groups(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    found: dict[str, list[Trial]] = {}
    for trial in trials:
        found.setdefault(f"{trial.machine.fingerprint}, {trial.case.precision}", []).append(trial)
    return found


def _sections(name: str, trials: Sequence[Trial], plots: Path, several: bool) -> list[Section]:
    def draw(plot: str, figure: Figure) -> None:
        save(figure, plots, f"{plot}-{name.replace(', ', '-')}")

    made = [make(trials, draw) for make in SECTIONS]
    mark = f" ({name})" if several else ""
    return [Section(**{**vars(s), "title": s.title + mark}) for s in made if s is not None]
