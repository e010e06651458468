"""One page of plain Records: what every protocol makes of them, and plots; drawn without the machine."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import BadFile
from ..files import make_folder
from .figures import PROTOCOLS, figure
from .plots import latencies, save, svg
from .record import Record
from .report import Report, Section, Table, instability_notes, machines_named, write_report

_OTHERS = tuple(name for name in PROTOCOLS if name != "xcode")  # the median has a column of its own


def read_records(folder: Path) -> list[Record]:
    """Read every Record below a folder, in the order of their paths.

    Raises:
        BadFile: there is none, or a file is no Record.
    """
    paths = sorted(Path(folder).rglob("*.json"))
    if not paths:
        raise BadFile(f"{folder} has no Records; measure some: underone bench FILE.onnx -o {folder}")
    return [Record.from_json(path.read_bytes(), str(path)) for path in paths]


def write_records_page(records: Sequence[Record], folder: Path) -> Path:
    """Write ``report.html``, one file without outside references, and its plots as PNG and SVG in ``plots``.

    Records of several machines, or of several ways to feed a network, never share a table.

    Args:
        records: at least one.
        folder: is made if need be.

    Returns:
        The path of the page.

    Raises:
        BadFile: the folder cannot be written.
    """
    plots = make_folder(make_folder(folder) / "plots")
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.machine.fingerprint, _fed(record)), []).append(record)
    timed = [r for r in records if r.samples_ms]
    stable = sum(r.verdict == "stable" for r in timed)
    report = Report(
        title="What was measured",
        intro=machines_named("Records", (r.machine for r in records)),
        tiles=[
            (str(len({r.model for r in records})), "networks"),
            (str(len(timed)), "Records with samples"),
            (f"{100 * stable / max(1, len(timed)):.0f} %", "of them stable"),
            (str(len(records) - len(timed)), "refused by an engine, with the reason below"),
        ],
        sections=[_section(f"{fed} ({name})", group, plots) for (name, fed), group in groups.items()],
        footer=(
            "Milliseconds of a round trip, or of a picture through a stream, with 95 % intervals over rounds; outputs "
            "were compared before."
        ),
    )
    return write_report(report, folder / "report.html")


def _fed(record: Record) -> str:
    how = record.protocol
    size = "own size" if how.size is None else f"{how.size[0]} x {how.size[1]} pixels"
    return f"{how.flow}, batch {how.batch}, {size}"


def _section(title: str, records: Sequence[Record], plots: Path) -> Section:
    models = dict.fromkeys(r.model for r in records)
    timed = {model: [r for r in records if r.model == model and r.samples_ms] for model in models}
    drawn = []
    for model, part in timed.items():
        if part:
            plot = latencies(part, [_name(r).removeprefix(f"{model}, ") for r in part])
            save(plot, plots, re.sub(r"[^\w.-]+", "_", f"{model}-{title}").lstrip("."))
            drawn.append(svg(plot))
    header = ("network", "engine", "threads", "precision", "fed", "median", "p90", "min", *_OTHERS, "verdict")
    rows = [_row(r) for r in records]
    return Section(
        title=title,
        text=(
            "A protocol that takes more samples, rounds or time than there are has no figure: paper is the minimum of "
            "1000 calls, sustained the last quarter of half an hour.",
        ),
        tables=[Table(header, rows, frozenset(range(2, len(header) - 1)) - {3, 4})],
        plots=drawn,
        notes=instability_notes(records, [_name(r) for r in records]),
    )


def _row(r: Record) -> tuple[str, ...]:
    head = (_network(r), r.engine, str(r.threads), r.precision)
    if not r.samples_ms:
        return (*head, "–", "refused", *("–",) * (2 + len(_OTHERS)), "failed")
    others = (str(figure(r, name) or "–") for name in _OTHERS)
    median = str(figure(r, "xcode"))
    verdict = r.verdict.partition(":")[0]
    return (*head, r.protocol.input, median, f"{r.p90_ms:.3f}", f"{r.min_ms:.3f}", *others, verdict)


def _network(r: Record) -> str:
    return f"{r.model}, {r.form}" if r.form else r.model


def _name(r: Record) -> str:
    return f"{_network(r)}, {r.engine}, {r.threads} thread{'s' * (r.threads > 1)}, {r.precision}"
