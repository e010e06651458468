"""The commands `study`, `report` and `choose`: networks measured, the page of what was found, one picked from it."""

from collections.abc import Callable
from pathlib import Path

from .. import settings
from ..errors import BadFile, BadValue
from ..study import Choice, Trial, candidates, cases_of, choose, read_trials, run_studies
from ..study.run import FULL, QUICK
from ..study.table import Task

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


def pick(
    folder: Path, budget: str, task: Task, precision: str, engine: str | None, models: Path | None, quick: bool
) -> tuple[list[Choice], Choice | None]:
    """Return the front of what was measured, and the best of it that holds the budget when it is measured again.

    Raises:
        BadFile: the folder holds no trials.
        BadValue: the budget is neither time nor rate, or nothing was measured that fits the question.
    """
    limit = _milliseconds(budget)
    front = candidates(read_trials(folder / TRIALS), precision, engine, task)
    kept = models or settings.cache_dir() / "study"
    return front, choose(front, limit, kept, effort=QUICK if quick else FULL)


def _milliseconds(text: str) -> float:
    number, is_rate = text.strip().removesuffix("ms").removesuffix("fps"), text.strip().endswith("fps")
    try:
        return 1000 / float(number) if is_rate else float(number)
    except (ValueError, ZeroDivisionError) as error:
        raise BadValue(f"--budget {text}; milliseconds or frames a second are required: 2ms, 30fps") from error


def draw(folder: Path, output: Path | None) -> Path:
    """Draw the page of a study again from its trials, or one of the Records that `bench` wrote.

    Raises:
        BadFile: the folder holds neither, or the page cannot be written.
    """
    from ..bench.records_page import read_records, write_records_page
    from ..study.page import write_page

    if not folder.is_dir():
        raise BadFile(f"{folder}: no such folder")
    trials = folder / TRIALS
    if trials.is_dir():
        return write_page(read_trials(trials), output or folder)
    if _holds_records(folder):
        return write_records_page(read_records(folder), output or folder)
    return write_page(read_trials(folder), output or folder)


def _holds_records(folder: Path) -> bool:
    first = min(folder.rglob("*.json"), default=None)
    if first is None:
        return False
    with first.open("rb") as file:
        return b'"record_version"' in file.read(40)  # of a trial that is "trial_version", Records come later
