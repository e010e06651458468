"""A table with one row for each picture."""

import csv
from collections.abc import Sequence
from pathlib import Path

from ..errors import BadFile, BadValue
from .pictures import FilePictures, columns

FILE_COLUMNS = ("file", "filename", "path", "image")
LABEL_COLUMNS = ("label", "class", "target")
LONGEST_FIELD = 1 << 16  # characters of one field: csv's own bound is of that kind


def from_csv(path: Path, classes: Sequence[str] | None = None) -> FilePictures:
    """List the pictures of a CSV file with a header.

    Args:
        path: columns ``file`` (or filename, path, image; relative to the table) and ``label`` (or class, target).
        classes: names by class index; None: the labels, sorted (as numbers where all are whole numbers).

    Raises:
        BadFile: not readable, columns missing, a row without a value, or a path that leaves the table's folder.
        BadValue: a label that `classes` does not name.
    """
    rows = _rows(path)
    found = {label for _, label in rows}
    names = tuple(_sorted(found) if classes is None else classes)
    strange = sorted(found - set(names))
    if strange:
        raise BadValue(f"{path} has the labels {strange[:5]}, which are not among the {len(names)}: {list(names)[:5]}…")
    index = {name: i for i, name in enumerate(names)}
    return FilePictures(path.parent, *columns([(file, index[label]) for file, label in rows]), names)


def _rows(path: Path) -> list[tuple[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            csv.field_size_limit(LONGEST_FIELD)
            table = csv.DictReader(file)
            file_column = column(path, table.fieldnames, FILE_COLUMNS)
            label_column = column(path, table.fieldnames, LABEL_COLUMNS)
            rows = [(row[file_column], row[label_column]) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"{path} is no table that can be read: {error}") from error
    if not rows:
        raise BadFile(f"{path} has no rows; one for each picture is required")
    for number, (name, label) in enumerate(rows, 2):
        if not name or not label:
            raise BadFile(f"{path}, row {number}: the file is {name!r} and the label {label!r}; both are required")
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise BadFile(f"{path}, row {number}: {name!r} is not below the folder of the table; move the table up")
    return rows


def column(path: Path, header: Sequence[str] | None, known: Sequence[str]) -> str:
    """Return the first of the `known` names that the header has.

    Raises:
        BadFile: it has none of them.
    """
    for name in known:
        if name in (header or ()):
            return name
    raise BadFile(f"{path} has the columns {list(header or ())}; one of {', '.join(known)} is required")


def _sorted(labels: set[str]) -> list[str]:
    return sorted(labels, key=int) if all(label.isdecimal() for label in labels) else sorted(labels)
