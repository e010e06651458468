"""The commands about data, behind `underone data`."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from ..errors import BadValue
from .progress import bar
from .show import line, new_table, out

if TYPE_CHECKING:
    from ..data.check import DataReport

_SHOWN = 10  # findings of a kind


def check_folder(root: Path, sheet: Path | None, task: str | None) -> "DataReport":
    """Check a data set for a task, or as what it is, with a bar."""
    from ..data.check import check_data
    from ..data.check_boxes import check_boxes, has_boxes
    from ..data.check_masks import check_masks, has_masks

    with bar() as progress:
        for name, known, check in (("detect", has_boxes, check_boxes), ("segment", has_masks, check_masks)):
            if name == task or (task is None and known(root)):
                return check(root, lambda done, total: progress("pictures", done, total), sheet)
        if sheet:
            raise BadValue(f"--sheet shows wrong boxes and masks, and {root} is checked for neither; leave it out")
        return check_data(root, lambda done, total: progress("pictures", done, total))


def report(value: "DataReport") -> None:
    """Print the pictures, boxes or pixels of each class, then what is wrong, a few lines of each kind."""
    table = new_table(None)
    for name in (f"{value.counted} of class", *value.counts):
        table.add_column(name, justify="left" if name.endswith("class") else "right", overflow="fold")
    labels = dict.fromkeys(label for counts in value.counts.values() for label in counts)
    for label in labels:
        table.add_row(escape(label), *(str(counts.get(label, 0)) for counts in value.counts.values()))
    table.add_row("all", *(str(sum(counts.values())) for counts in value.counts.values()))
    out.print(table)
    for kind in dict.fromkeys((finding.level, finding.kind) for finding in value.findings):
        texts = [finding.text for finding in value.findings if (finding.level, finding.kind) == kind]
        line(f"{kind[0]}: {kind[1]} ({len(texts)})", *(f"  {text}" for text in texts[:_SHOWN]))
        if len(texts) > _SHOWN:
            line(f"  … {len(texts) - _SHOWN} more; --json shows all")
    warnings = len(value.findings) - value.errors
    line(f"{value.errors} errors, {warnings} warnings in {value.pictures} pictures")
