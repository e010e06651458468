"""YOLO: a text file beside each picture, one line a box."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import BadFile, BadValue, MissingExtra
from ..files import read_file
from .boxed import Box, BoxedPictures, list_boxes
from .from_folder import pictures_below

_LARGEST_TEXT, _LARGEST_YAML = 1 << 22, 1 << 20  # bytes


def from_yolo(folder: Path, classes: Sequence[str] | None = None) -> BoxedPictures:
    """List the pictures below a folder; the boxes of ``…/images/…/NAME.jpg`` are in ``…/labels/…/NAME.txt``.

    Args:
        folder: of pictures, at any depth: its path or those of its pictures have a part ``images``; where none has, the
            text files lie beside the pictures. A picture without a text file has no boxes. A line is: class index,
            centre x and y, width and height, in shares of the picture's sides.
        classes: names by class index; None: the numbers.

    Raises:
        BadFile: no such folder, no pictures, no text file for any of them, or a line that is no box.
        BadValue: a class index outside `classes`.
    """
    if not folder.is_dir():
        raise BadFile(f"{folder} is no folder; one with pictures is required")
    places = [(os.path.relpath(p, folder), _label_file(Path(p))) for p in pictures_below(folder)]
    if places and not any(labels.is_file() for _, labels in places):
        raise BadFile(
            f"{folder}: none of its {len(places)} pictures has a text file of boxes, as {places[0][1]}; for COCO give "
            "its .json, for VOC ROOT/ImageSets/Main/PART.txt"
        )
    found = [(name, _read(labels, classes)) for name, labels in places]
    most = max((int(box.label) for _, boxes in found for box in boxes), default=-1)
    numbers = [str(i) for i in range(most + 1 if classes is None else len(classes))]
    listed = list_boxes(folder, folder, found, numbers, relative=True)
    return listed if classes is None else BoxedPictures(**{**vars(listed), "classes": tuple(classes)})


def read_yolo_parts(path: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Read a ``data.yaml``: the folder of each part, and the class names.

    Args:
        path: YAML with ``names`` (a list, or names by number), the folders ``train``, ``val`` and perhaps ``test``, and
            perhaps ``path``, the folder that they are below.

    Raises:
        BadFile: not readable, or without names and folders.
        MissingExtra: pyyaml is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra(f"{path.name}", "pyyaml", "train") from error
    try:
        raw = yaml.safe_load(read_file(path, _LARGEST_YAML))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadFile(f"{path} is no YAML: {str(error).splitlines()[0]}") from error
    names = _names(raw.get("names")) if isinstance(raw, dict) else ()
    if not names:
        raise BadFile(f"{path} has no 'names', a list of the classes; it is required")
    base = path.parent / str(raw.get("path") or ".")
    parts = {part: base / raw[part] for part in ("train", "val", "test") if isinstance(raw.get(part), str)}
    # exporters write ../train/images for what lies beside the file
    return {part: p if p.exists() else path.parent / raw[part].removeprefix("../") for part, p in parts.items()}, names


def _names(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, Mapping) and sorted(raw, key=str) == sorted(range(len(raw)), key=str):
        raw = [raw[i] for i in range(len(raw))]
    return tuple(map(str, raw)) if isinstance(raw, list) else ()


def _label_file(picture: Path) -> Path:
    parts = list(picture.parts)
    places = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _read(path: Path, classes: Sequence[str] | None) -> list[Box]:
    if not path.is_file():
        return []
    try:
        lines = read_file(path, _LARGEST_TEXT).decode().splitlines()
    except UnicodeDecodeError as error:
        raise BadFile(f"{path} is no text: {error}") from error
    return [_box(path, number, line, classes) for number, line in enumerate(lines, 1) if line.strip()]


def _box(path: Path, number: int, line: str, classes: Sequence[str] | None) -> Box:
    try:
        label, x, y, width, height = line.split()
        index, (cx, cy, w, h) = int(label), map(float, (x, y, width, height))
    except ValueError as error:
        raise BadFile(
            f"{path}, line {number}: {line[:80]!r} is no box; class index, centre x, y, width and height are required"
        ) from error
    most = 1 << 16 if classes is None else len(classes)
    if not 0 <= index < most:
        raise BadValue(f"{path}, line {number}: the class {index} is not among the {most}, which count from 0")
    return Box((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), str(index))
