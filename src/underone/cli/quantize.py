"""The command `quantize`: the file, and on request what the doctor finds."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.markup import escape

from ..bench.processes import Contestant, compare_engines
from ..bench.record import Record
from ..compare import Verdict
from ..errors import BadValue
from ..files import make_folder
from ..graph import read_verdict
from ..quantization import REMEDIES, Diagnosis, diagnose, file_to_write, open_network, quantize_opened
from ..runtime import installed_backends
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
    """Write the file, and the doctor's page; return the verdict that was written with the file.

    Raises:
        BadValue: weights in training form are given without a page that would use them.
    """
    if trained is not None and report is None:
        raise BadValue(f"--trained {trained} names branches on the doctor's page; give --report FOLDER as well")
    chosen = REMEDIES if remedies == "all" else _names(remedies)
    kept: int | Sequence[str] = int(keep) if keep.isdigit() else _names(keep)
    output = file_to_write(output)  # before any picture is looked at; so is the page's folder
    if report is not None:
        make_folder(report)
    quantizer = open_network(source, data, images, calibration, progress=progress)
    quantize_opened(quantizer, output, chosen, kept)
    if report is not None:
        from ..bench.quantization_page import write_diagnosis

        with TemporaryDirectory() as folder:
            found = diagnose(quantizer, trained=trained, files=Path(folder))
            records = _timed(source, found)
        options = tuple(option.model_copy(update={"file": None}) for option in found.options)  # they are gone
        found = found.model_copy(update={"options": options})
        _findings(found)
        show.line(f"report: {write_diagnosis(found, report, records)}")
    return read_verdict(output)


def _timed(source: Path, found: Diagnosis) -> list[Record]:
    """Measure the float32 file and every option in turns."""
    engine = next(name for name in ("native", "onnxruntime", "reference") if name in installed_backends())
    paths = [str(source), *(option.file for option in found.options if option.file)]
    return compare_engines([Contestant(path=path, backend=engine) for path in paths], seconds=_SECONDS, rounds=6)


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
