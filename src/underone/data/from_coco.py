"""COCO: one JSON file with pictures, categories and boxes; and what its other files have in common with that."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import BadFile
from ..files import read_file
from .boxed import Box, BoxedPictures, list_boxes, require_below

_LARGEST = 1 << 30  # bytes; instances_train2017.json has 448 million
_PARTS = ("images", "annotations", "categories")
_YEARS = ("", "2017", "2014")


def from_coco(path: Path, classes: Sequence[str] | None = None) -> BoxedPictures:
    """List the pictures of a COCO file.

    Their folder is the first that has the first picture: beside the file, in ``images`` there, or, for
    ``annotations/instances_PART.json``, ``PART`` or ``images/PART`` beside ``annotations``.

    Args:
        path: JSON with ``images``, ``annotations`` and ``categories``. ``bbox`` is x, y, width, height in pixels.
        classes: names by class index; None: the categories in the order of their ids.

    Raises:
        BadFile: not readable, no COCO file, an id that is given twice or names nothing, or no such pictures.
        BadValue: a category with boxes that `classes` does not name.
    """
    raw = read_coco(path)
    labels = {i: str(c.get("name", i)) for i, c in by_id(path, raw, "categories").items()}
    images = {i: require_below(path, str(c.get("file_name", ""))) for i, c in by_id(path, raw, "images").items()}
    found: dict[int, list[Box]] = {i: [] for i in images}
    for number, annotation in enumerate(raw["annotations"]):
        at, box = _box(path, number, annotation, labels)
        if at not in found:
            raise BadFile(f"{path}: annotation {number} is of the picture {at!r}, which is not listed")
        found[at].append(box)
    rows = [(name, found[i]) for i, name in images.items()]
    names = [labels[i] for i in sorted(labels)] if classes is None else classes
    return list_boxes(path, picture_folder(path, list(images.values())), rows, names)


def coco_places(root: Path, part: str, kinds: Sequence[str] = ("instances",)) -> list[Path]:
    """Return where the file of a part may lie, the likeliest first; `kinds` are how its name may begin."""
    named = [root / "annotations" / f"{kind}_{part}{year}.json" for kind in kinds for year in _YEARS]
    return [*named, root / part / "_annotations.coco.json"]


def read_coco(path: Path) -> Mapping[str, list[Any]]:
    """Read a file with lists of images, annotations and categories.

    Raises:
        BadFile: not readable, too large, or no such file.
    """
    try:
        raw = json.loads(read_file(path, _LARGEST))
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path} is no JSON: {error}") from error
    if not isinstance(raw, dict) or not all(isinstance(raw.get(part), list) for part in _PARTS):
        raise BadFile(f"{path} is no COCO file; an object with the lists {', '.join(_PARTS)} is required")
    return raw


def by_id(path: Path, raw: Mapping[str, list[Any]], part: str) -> dict[int, Mapping[str, Any]]:
    """Return the entries of one of the lists by their ids.

    Raises:
        BadFile: an id is missing, or given twice.
    """
    found: dict[int, Mapping[str, Any]] = {}
    for number, entry in enumerate(raw[part]):
        key = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(key, int) or key in found:
            raise BadFile(f"{path}: entry {number} of {part} has the id {key!r}; a whole number of its own is required")
        found[key] = entry
    return found


def _box(path: Path, number: int, annotation: Any, labels: Mapping[int, str]) -> tuple[Any, Box]:
    try:
        x, y, width, height = map(float, annotation["bbox"])
        label = labels[annotation["category_id"]]
        area = float(annotation.get("area", width * height))
        picture, crowd = annotation["image_id"], bool(annotation.get("iscrowd", 0))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadFile(
            f"{path}: annotation {number} has no bbox of four numbers, image_id and known category_id "
            f"({type(error).__name__}: {error})"
        ) from error
    if not isinstance(picture, int) or not math.isfinite(area):
        raise BadFile(f"{path}: annotation {number} has the image_id {picture!r} and the area {area}")
    return picture, Box((x, y, x + width, y + height), label, crowd=crowd, area=area)


def picture_folder(path: Path, names: Sequence[str]) -> Path:
    """Return the folder of a file's pictures.

    Args:
        path: of the file.
        names: of its pictures.

    Raises:
        BadFile: the first of them is in no folder where it may be.
    """
    part, above = path.stem.removeprefix("instances_").removeprefix("panoptic_"), path.parent.parent
    folders = (path.parent, path.parent / "images", above / part, above / "images" / part, above / "images")
    for folder in folders if names else ():
        if (folder / names[0]).is_file():
            return folder
    if not names:
        return path.parent
    raise BadFile(f"{path}: the picture {names[0]!r} is in none of {', '.join(map(str, folders))}")
