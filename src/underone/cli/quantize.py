"""The command `quantize`: the file, and on request what the doctor finds."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.markup import escape

from ..compare import Verdict
from ..errors import ParityFailed
from ..graph import read_verdict
from ..quantization import REMEDIES, Diagnosis, diagnose, quantize
from . import show

_SECONDS = 3.0  # that each file is measured for


def quantize_file(
    source: Path,
    data: Path,
    output: Path,
    images: int,
    calibration: str,
    remedies: str,
    keep: str,
    report: Path | None,
    trained: Path | None,
    progress: Callable[[str, int, int], None],
) -> Verdict | None:
    """Write the file, and the doctor's page; return the verdict that was written with the file."""
    chosen = REMEDIES if remedies == "all" else _names(remedies)
    kept: int | Sequence[str] = int(keep) if keep.isdigit() else _names(keep)
    quantize(
        source, data, output, images=images, calibration=calibration, remedies=chosen, keep=kept, progress=progress
    )
    if report is not None:
        found = diagnose(source, data, images=images, calibration=calibration, trained=trained, progress=progress)
        _findings(found)
        show.line(f"report: {_write_page(found, report, source, output)}")
    return read_verdict(output)


def _write_page(found: Diagnosis, folder: Path, source: Path, output: Path) -> Path:
    from ..bench.processes import Contestant, compare_engines
    from ..bench.quantization_page import write_diagnosis
    from ..runtime import installed_backends

    backend = "onnxruntime" if "onnxruntime" in installed_backends() else "native"
    files = [Contestant(path=str(path), backend=backend) for path in (source, output)]
    try:
        records = compare_engines(files, seconds=_SECONDS, rounds=6)
    except ParityFailed as reason:  # an engine that adds up otherwise crosses the edge between two whole numbers
        show.warning(f"not timed: {reason}")
        records = []
    return write_diagnosis(found, folder, records, [f"float32, {backend}", f"int8, {backend}"])


def _findings(found: Diagnosis) -> None:
    from ..bench.quantization_page import gains_table, layers_table

    for title, table in (("what each remedy gains", gains_table(found)), ("what layers cost", layers_table(found))):
        shown = show.new_table(title)
        for i, name in enumerate(table.header):
            shown.add_column(name, justify="right" if i in table.numbers else "left", overflow="fold")
        for row in table.rows:
            shown.add_row(*map(escape, row))
        show.out.print(shown)


def _names(given: str) -> list[str]:
    return [name for name in given.split(",") if name]
