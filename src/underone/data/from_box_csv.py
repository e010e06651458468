"""A table with one row for each box."""

import csv
from collections.abc import Sequence
from pathlib import Path

from ..errors import BadFile
from .boxed import Box, BoxedPictures, list_boxes, require_below
from .from_csv import FILE_COLUMNS, LABEL_COLUMNS, LONGEST_FIELD, column

CORNER_COLUMNS = (("x1", "xmin"), ("y1", "ymin"), ("x2", "xmax"), ("y2", "ymax"))


def from_box_csv(path: Path, classes: Sequence[str] | None = None) -> BoxedPictures:
    """List the pictures of a CSV file with a header.

    Args:
        path: columns ``file`` (or filename, path, image; relative to the table), ``label`` (or class, target), and the
            edges ``x1 y1 x2 y2`` (or xmin ymin xmax ymax) in pixels from 0. A picture without boxes has one row with
            nothing but its file.
        classes: names by class index; None: the labels, sorted.

    Raises:
        BadFile: not readable, columns missing, a row without a value, or a path that leaves the table's folder.
        BadValue: a label that `classes` does not name.
    """
    found: dict[str, list[Box]] = {}
    for number, (file, label, *corners) in enumerate(_rows(path), 2):
        boxes = found.setdefault(require_below(path, file), [])
        if label or any(corners):
            boxes.append(_box(path, number, label, corners))
    return list_boxes(path, path.parent, list(found.items()), classes)


def is_box_table(path: Path) -> bool:
    """Tell whether a table's header has the columns of boxes.

    Raises:
        BadFile: it cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            csv.field_size_limit(LONGEST_FIELD)
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"{path} is no table that can be read: {error}") from error
    return all(any(name in header for name in names) for names in CORNER_COLUMNS)


def _rows(path: Path) -> list[tuple[str, ...]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            csv.field_size_limit(LONGEST_FIELD)
            table = csv.DictReader(file)
            wanted = [column(path, table.fieldnames, n) for n in (FILE_COLUMNS, LABEL_COLUMNS, *CORNER_COLUMNS)]
            return [tuple(row[name] or "" for name in wanted) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"{path} is no table that can be read: {error}") from error


def _box(path: Path, number: int, label: str, corners: Sequence[str]) -> Box:
    try:
        x1, y1, x2, y2 = map(float, corners)
    except ValueError as error:
        raise BadFile(f"{path}, row {number}: the corners are {list(corners)}; four numbers are required") from error
    if not label:
        raise BadFile(f"{path}, row {number}: the box has no label; the name of its class is required")
    return Box((x1, y1, x2, y2), label)
