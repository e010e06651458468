"""The command `bench`: files × engines × threads × precisions, in turns; or one engine layer by layer."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ..bench import PROTOCOLS, Contestant, Flow, Record, compare_engines, example, write_records
from ..errors import BadFile, BadValue, UnknownName
from ..files import make_folder
from ..runtime import BACKENDS, Profile, installed_backends, load
from ..runtime.packaged import NETWORKS as PACKAGED

_ROUNDS, _LONG_ROUNDS = 12, 60  # of half an hour the last quarter counts: 15 rounds


def bench_files(
    files: Sequence[Path],
    backends: str,
    threads: str,
    precision: str,
    size: int | None,
    batch: int,
    flow: Flow,
    runs: int,
    seconds: float,
    processes: int,
    output: Path | None,
    stated: Sequence[str],
    progress: Callable[[str, int, int], None],
) -> list[Record]:
    """Measure every file on every engine with every number of threads; write the Records if a folder is given.

    Engines that do not calculate in a precision are left out of it, unless they were named.

    Raises:
        BadFile: a file is not there.
        BadValue: a number is not one.
        ParityFailed: an engine's outputs are wrong.
    """
    _require(files)
    counts = _numbers(threads)
    folder = make_folder(output) if output is not None else None
    cases = [
        Contestant(path=str(path), backend=name, threads=count, precision=kind)
        for count in counts
        for path in files
        for kind in _precisions(precision)
        for name in _engines(backends)
        if backends != "auto" or kind in BACKENDS[name].precisions
    ]
    rounds = _LONG_ROUNDS if "sustained" in stated else _ROUNDS
    records = compare_engines(
        cases, runs=runs, seconds=seconds, rounds=rounds, processes=processes, progress=progress, size=_square(size),
        batch=batch, flow=flow,
    )  # fmt: skip
    if folder is not None:
        write_records(records, folder)
    return records


def profile_files(
    files: Sequence[Path], threads: str, precision: str, size: int | None, rounds: int, output: Path | None
) -> list[Profile]:
    """Time the layers of every file on our own engine; draw them if a file (one network) or a folder is given.

    Raises:
        BadFile: a file is not there, or the plot cannot be written.
        BadValue: a number is not one.
        Unsupported: our engine is not installed, or cannot run a file.
    """
    _require(files)
    cases = [(path, count, kind) for path in files for count in _numbers(threads) for kind in _precisions(precision)]
    single = output is not None and output.suffix != ""
    if single and len(cases) > 1:
        raise BadFile(f"--output {output} is one file, there are {len(cases)} profiles; name a folder")
    profiles = []
    for path, count, kind in cases:
        with load(path, "native", threads=count, precision=kind) as net:
            profiles.append(net.profile(example(net, _square(size))[1], rounds))
        if output is not None:
            from ..bench.plots import layers

            layers(profiles[-1], output if single else make_folder(output) / f"{path.stem}-{kind}-{count}t.png")
    return profiles


def protocols(text: str) -> list[str]:
    """Return the names of published protocols in a list with commas.

    Raises:
        UnknownName: no such protocol.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in PROTOCOLS:
            raise UnknownName("protocol", name, PROTOCOLS)
    return names


def _require(files: Sequence[Path]) -> None:
    missing = [str(path) for path in files if not path.is_file() and str(path) not in PACKAGED]
    if missing:
        raise BadFile(f"{', '.join(missing)}: no such file")


def _square(size: int | None) -> tuple[int, int] | None:
    return None if size is None else (size, size)


def _precisions(text: str) -> list[str]:
    known = sorted({p for row in BACKENDS.values() for p in row.precisions})
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in known:
            raise UnknownName("precision", name, known)
    return names


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
