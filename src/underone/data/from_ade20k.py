"""ADE20K as its scene parsing challenge gives it: 150 classes, and 0 for all that is none of them."""

from pathlib import Path

from ..errors import BadFile
from ..files import read_file
from .masked import MaskedPictures, list_masks

NAMES = "objectInfo150.txt"
_LONGEST = 1 << 20  # bytes of the table


def is_ade20k(part: Path) -> bool:
    """Tell whether a folder is ``ROOT/images/PART`` and has its masks in ``ROOT/annotations/PART``."""
    return part.parent.name == "images" and _masks(part).is_dir()


def list_ade20k(part: Path) -> MaskedPictures:
    """List the pictures of a part.

    Args:
        part: ``ROOT/images/training`` or ``ROOT/images/validation``.

    Raises:
        BadFile: a picture has no mask, or the table of names is missing or damaged.

    Source: CSAILVision/sceneparsing, README.md and objectInfo150.txt.
    """
    root, rows = part.parents[1], []
    for picture in sorted(part.glob("*.jpg")):
        mask = _masks(part) / f"{picture.stem}.png"
        if not mask.is_file():
            raise BadFile(f"{picture} has no mask; {mask} is required")
        rows.append((f"images/{part.name}/{picture.name}", f"annotations/{part.name}/{mask.name}"))
    return list_masks(part, root, rows, (None, *_names(root / NAMES)))


def _masks(part: Path) -> Path:
    return part.parents[1] / "annotations" / part.name


def _names(path: Path) -> list[str]:
    """Read the first name of each class: the last column of a table with tabs and a header."""
    lines = read_file(path, _LONGEST).decode("utf-8", "replace").splitlines()
    rows = [[cell.strip() for cell in line.split("\t")] for line in lines[1:] if line.strip()]
    for number, row in enumerate(rows, 1):
        if len(row) < 2 or row[0] != str(number) or not row[-1]:
            raise BadFile(f"{path}: row {number} is {row}; its number, tabs and the names of the class are required")
    return [row[-1].split(",")[0] for row in rows]
