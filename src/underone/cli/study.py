"""The commands `study` and `report`: networks measured beside each other, and the page of what was found."""

from collections.abc import Callable
from pathlib import Path

from .. import settings
from ..errors import BadFile
from ..study import Trial, cases_of, read_trials, run_studies
from ..study.run import FULL, QUICK

TRIALS = "trials"  # folder of the trials in that of a study


def run(
    name: str,
    output: Path,
    engines: str,
    precision: str,
    models: Path | None,
    progress: Callable[[str, int, int], None],
    *,
    quick: bool,
    again: bool,
) -> list[Trial]:
    """Measure a study, or all of them, and write its page.

    Raises:
        UnknownName: no such study or engine.
        BadFile: a folder cannot be written.
        MissingExtra: what a page needs is not installed; told before anything is measured.
    """
    from ..study.page import write_page

    trials = run_studies(
        cases_of([name], precision),
        output / TRIALS,
        models or settings.cache_dir() / "study",
        engines=[part.strip() for part in engines.split(",") if part.strip()],
        effort=QUICK if quick else FULL,
        again=again,
        progress=progress,
    )
    write_page(read_trials(output / TRIALS), output)
    return trials


def draw(folder: Path, output: Path | None) -> Path:
    """Draw the page of a study again from its trials.

    Raises:
        BadFile: the folder holds no trials, or the page cannot be written.
    """
    from ..study.page import write_page

    if not folder.is_dir():
        raise BadFile(f"{folder}: no such folder")
    trials = folder / TRIALS
    return write_page(read_trials(trials if trials.is_dir() else folder), output or folder)
