"""The command `bench`: files × engines × threads, in turns."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ..bench import Contestant, Record, compare_engines, write_records
from ..errors import BadFile, BadValue, UnknownName
from ..files import make_folder
from ..runtime import BACKENDS, installed_backends


def bench_files(
    files: Sequence[Path],
    backends: str,
    threads: str,
    runs: int,
    seconds: float,
    processes: int,
    output: Path | None,
    progress: Callable[[str, int, int], None],
) -> list[Record]:
    """Measure every file on every engine with every number of threads; write the Records if a folder is given.

    Raises:
        BadFile: a file is not there.
        BadValue: a number is not one.
        ParityFailed: an engine's outputs are wrong.
    """
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise BadFile(f"{', '.join(missing)}: no such file")
    counts = _numbers(threads)
    folder = make_folder(output) if output is not None else None
    cases = [
        Contestant(path=str(path), backend=name, threads=count)
        for count in counts
        for path in files
        for name in _engines(backends)
    ]
    records = compare_engines(cases, runs=runs, seconds=seconds, processes=processes, progress=progress)
    if folder is not None:
        write_records(records, folder)
    return records


def _engines(text: str) -> list[str]:
    """Return the named engines, or all that are installed but for the slow reference."""
    if text == "auto":
        return [name for name in installed_backends() if name != "reference"]
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in BACKENDS:
            raise UnknownName("backend", name, [*BACKENDS, "auto"])
    return names


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise BadValue(f"--threads {text}; whole numbers from 1 up, separated by commas, are required")
    return [int(part) for part in parts]
