"""Pictures with boxes: what every reader of detection data gives."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import BadFile, BadValue
from .pictures import read_part

FARTHEST = 1e6  # pixels or shares; a coordinate beyond that is damage


class Box(NamedTuple):
    """One box as a file says it.

    Attributes:
        corners: x1, y1, x2, y2: the edges, in pixels from the picture's left upper corner, or in shares of its sides.
        label: name of its class.
        difficult: VOC: neither wanted nor wrong.
        crowd: COCO: many objects of the class in one box; finding any of them is not wrong.
        area: of the object in square pixels; None: that of the box.
    """

    corners: tuple[float, float, float, float]
    label: str
    difficult: bool = False
    crowd: bool = False
    area: float | None = None


class Boxes(NamedTuple):
    """Boxes of one picture, or of all pictures of a list.

    Attributes:
        corners: float32 (n, 4), x1 y1 x2 y2: pixels from the picture's left upper corner.
        class_ids: int64 (n,).
        difficult: bool (n,), VOC's mark: neither wanted nor wrong.
        crowd: bool (n,), COCO's mark: many objects in one box.
        areas: float32 (n,), of the objects in square pixels.
    """

    corners: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    difficult: NDArray[np.bool_]
    crowd: NDArray[np.bool_]
    areas: NDArray[np.float32]

    def at(self, which: Any) -> "Boxes":
        """Return the chosen boxes: a slice, a mask or indexes."""
        return Boxes(*(column[which] for column in self))


@dataclass(frozen=True, eq=False)
class BoxedPictures:
    """Pictures with boxes, listed but not read. All boxes lie in a few arrays that worker processes share.

    Attributes:
        root: folder.
        names: (n,) bytes, paths below it in UTF-8.
        first: (n + 1,) where the boxes of each picture begin.
        table: the boxes of all pictures, as the file has them.
        classes: names by class index.
        relative: whether the corners are shares of the picture's sides, as YOLO writes them.
    """

    root: Path
    names: NDArray[np.bytes_]
    first: NDArray[np.int64]
    table: Boxes
    classes: tuple[str, ...]
    relative: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """Return the path."""
        return str(self.root / os.fsdecode(self.names[index]))

    def read(self, index: int) -> bytes:
        """Return the file's bytes.

        Raises:
            BadFile: it cannot be read.
        """
        return read_part(Path(self.name(index)))

    def listed(self, index: int) -> Boxes:
        """Return a picture's boxes as the file has them: perhaps shares, outside the picture, or without area."""
        return self.table.at(slice(self.first[index], self.first[index + 1]))

    def boxes(self, index: int, size: tuple[int, int]) -> Boxes:
        """Return a picture's boxes in pixels, cut at its border; those without area are left out.

        Args:
            index: of the picture.
            size: (height, width) of the picture.
        """
        found, (height, width) = self.listed(index), size
        sides = np.array([width, height, width, height], np.float32)
        if self.relative:
            corners = found.corners * sides
            found = found._replace(corners=corners, areas=areas_of(corners))
        corners = np.clip(found.corners, 0, sides)
        return found._replace(corners=corners).at(areas_of(corners) > 0)


def areas_of(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the area of each box (n, 4); 0 where it is turned inside out."""
    sides = np.maximum(corners[:, 2:] - corners[:, :2], 0)
    areas: NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return areas


def list_boxes(
    where: Path,
    root: Path,
    rows: Sequence[tuple[str, Sequence[Box]]],
    classes: Sequence[str] | None,
    *,
    relative: bool = False,
) -> BoxedPictures:
    """Make a list of pictures from what a file says.

    Args:
        where: the file, for errors.
        root: folder of the pictures.
        rows: (path below root, its boxes).
        classes: names by class index; None: the labels, sorted.
        relative: whether the corners are shares of the picture's sides.

    Raises:
        BadFile: no picture, no class, or a coordinate that is not finite or absurd.
        BadValue: a label that `classes` does not name.
    """
    if not rows:
        raise BadFile(f"{where} lists no picture; one or more is required")
    boxes = [box for _, found in rows for box in found]
    names = tuple(sorted({box.label for box in boxes}) if classes is None else classes)
    if not names:
        raise BadFile(f"{where} lists {len(rows)} pictures and no box; one box or more is required")
    first = np.cumsum([0, *(len(found) for _, found in rows)], dtype=np.int64)
    table = _table(boxes, _index(where, boxes, names))
    _refuse_damage(where, rows, first, table)
    encoded: NDArray[Any] = np.array([os.fsencode(name) for name, _ in rows], np.bytes_)
    return BoxedPictures(root, encoded, first, table, names, relative)


def _table(boxes: Sequence[Box], index: Mapping[str, int]) -> Boxes:
    corners = np.array([box.corners for box in boxes], np.float64).reshape(-1, 4)
    corners32 = np.clip(corners, -2 * FARTHEST, 2 * FARTHEST).astype(np.float32)  # NaN stays
    own = areas_of(corners32)
    return Boxes(
        corners32,
        np.array([index[box.label] for box in boxes], np.int64),
        np.array([box.difficult for box in boxes], np.bool_),
        np.array([box.crowd for box in boxes], np.bool_),
        np.array([own[i] if box.area is None else box.area for i, box in enumerate(boxes)], np.float32),
    )


def _index(where: Path, boxes: Iterable[Box], names: Sequence[str]) -> dict[str, int]:
    strange = sorted({box.label for box in boxes} - set(names))
    if strange:
        raise BadValue(
            f"{where} has the labels {strange[:5]}, which are not among the {len(names)}: {list(names)[:5]}…"
        )
    return {name: i for i, name in enumerate(names)}


def _refuse_damage(
    where: Path, rows: Sequence[tuple[str, Sequence[Box]]], first: NDArray[np.int64], table: Boxes
) -> None:
    good = (np.abs(table.corners) <= FARTHEST).all(axis=1) & np.isfinite(table.areas)  # NaN compares as False
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        picture, box = picture_of(first, row)
        raise BadFile(
            f"{where}: box {box + 1} of {rows[picture][0]!r} has the corners {table.corners[row].tolist()}; "
            f"finite numbers up to {FARTHEST:.0f} are required"
        )


def picture_of(first: NDArray[np.int64], row: int) -> tuple[int, int]:
    """Return which picture a row of the table belongs to, and its number among that picture's boxes."""
    picture = int(np.searchsorted(first, row, side="right")) - 1
    return picture, row - int(first[picture])


def require_below(where: Path, name: str) -> str:
    """Return a picture's path if it stays below its folder.

    Raises:
        BadFile: it is absolute or climbs out, or no file can have that name.
    """
    if not name or Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise BadFile(f"{where}: the picture {name!r} is not below its folder; a relative path is required")
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise BadFile(f"{where}: no file can have the name {name!r}: {error.reason}") from error
    return name
