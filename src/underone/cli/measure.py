"""The command `bench`: files × engines × threads, in turns."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ..bench import Contestant, Record, compare_engines
from ..errors import BadFile, BadValue
from ..runtime import installed_backends


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
    names = [n for n in installed_backends() if n != "reference"] if backends == "auto" else backends.split(",")
    cases = [
        Contestant(path=str(path), backend=name, threads=count)
        for count in _numbers(threads)
        for path in files
        for name in names
    ]
    records = compare_engines(cases, runs=runs, seconds=seconds, processes=processes, progress=progress)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        for record in records:
            name = f"{record.model}-{record.engine}-{record.threads}t-{record.machine.fingerprint}.json"
            (output / name).write_text(record.to_json())
    return records


def _numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise BadValue(f"--threads {text}; whole numbers from 1 up, separated by commas, are required")
    return [int(part) for part in parts]
