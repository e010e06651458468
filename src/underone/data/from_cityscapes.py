"""Cityscapes as it comes: a folder for each city, and the ids of its labels in the masks."""

from pathlib import Path

from ..errors import BadFile
from .masked import MaskedPictures, list_masks

_PICTURE, _MASK = "_leftImg8bit.png", "_gtFine_labelIds.png"

# id of a label → its class; the ids between and after them are in no score (cityscapesScripts, helpers/labels.py)
CLASSES = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck",
    28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip


def is_cityscapes(part: Path) -> bool:
    """Tell whether a folder is ``ROOT/leftImg8bit/PART`` and has its masks in ``ROOT/gtFine/PART``."""
    return part.parent.name == "leftImg8bit" and (part.parents[1] / "gtFine" / part.name).is_dir()


def list_cityscapes(part: Path) -> MaskedPictures:
    """List the pictures of a part.

    Args:
        part: ``ROOT/leftImg8bit/train`` or ``ROOT/leftImg8bit/val``; the masks of ``test`` are not public.

    Raises:
        BadFile: a picture has no mask.
    """
    root, rows = part.parents[1], []
    for picture in sorted(part.glob(f"*/*{_PICTURE}")):
        place = picture.relative_to(part)
        mask = Path("gtFine") / part.name / place.parent / f"{picture.name.removesuffix(_PICTURE)}{_MASK}"
        if not (root / mask).is_file():
            raise BadFile(f"{picture} has no mask; {root / mask} is required")
        rows.append((picture.relative_to(root).as_posix(), mask.as_posix()))
    return list_masks(part, root, rows, [CLASSES.get(value) for value in range(max(CLASSES) + 1)])
