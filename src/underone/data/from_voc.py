"""Pascal VOC: a list of names, a picture and an XML file for each."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from ..errors import BadFile
from ..files import read_file
from .boxed import Box, BoxedPictures, list_boxes, require_below

_LARGEST_LIST, _LARGEST_XML = 1 << 28, 1 << 22  # bytes
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def from_voc(names: Path, classes: Sequence[str] | None = None) -> BoxedPictures:
    """List the pictures of one part of a VOC data set.

    Args:
        names: ``ROOT/ImageSets/Main/PART.txt``, one name a line; the pictures are ``ROOT/JPEGImages/NAME.*``, their
            boxes ``ROOT/Annotations/NAME.xml``. VOC counts pixels from 1: the edges of a box are xmin - 1, ymin - 1,
            xmax and ymax. A box whose xmax is not above its xmin has no area.
        classes: names by class index; None: the labels, sorted.

    Raises:
        BadFile: a file is missing, damaged, or no VOC annotation.
        BadValue: a label that `classes` does not name.
    """
    root = names.parent.parent.parent
    listed = _names(names)
    pictures = _by_stem(root / "JPEGImages")
    rows = []
    for name in listed:
        if name not in pictures:
            raise BadFile(f"{names}: there is no picture {root / 'JPEGImages' / name}.* for the name {name!r}")
        rows.append((f"JPEGImages/{pictures[name]}", read_voc_boxes(root / "Annotations" / f"{name}.xml")))
    return list_boxes(names, root, rows, classes)


def read_voc_boxes(path: Path) -> list[Box]:
    """Read the boxes of one XML file.

    Raises:
        BadFile: not readable, no XML, with a document type (which could define entities), or a box without its numbers.
    """
    content = read_file(path, _LARGEST_XML)
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise BadFile(f"{path} has a document type; plain XML is required")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # LookupError: an unknown encoding
        raise BadFile(f"{path} is no XML: {error}") from error
    return [_box(path, number, found) for number, found in enumerate(root.findall("object"), 1)]


def _box(path: Path, number: int, found: ElementTree.Element) -> Box:
    try:
        texts = [found.findtext(f"bndbox/{name}") or "" for name in _CORNERS]
        x1, y1, x2, y2 = map(float, texts)
    except ValueError as error:
        raise BadFile(f"{path}: object {number} has the corners {texts}; four numbers are required") from error
    label = (found.findtext("name") or "").strip()
    if not label:
        raise BadFile(f"{path}: object {number} has no name; the name of its class is required")
    corners = (x1 - 1, y1 - 1, _end(x1, x2), _end(y1, y2))
    return Box(corners, label, difficult=(found.findtext("difficult") or "0").strip() == "1")


def _end(low: float, high: float) -> float:
    """Return the edge of a box; without area where the file says so."""
    return high if high > low or math.isnan(high) else low - 1


def _names(path: Path) -> list[str]:
    text = read_file(path, _LARGEST_LIST)
    try:
        lines = [line.split() for line in text.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise BadFile(f"{path} is no list of names: {error}") from error
    # the lists of one class have a second column: 1, 0 or -1
    return [require_below(path, line[0]) for line in lines if line]


def _by_stem(folder: Path) -> dict[str, str]:
    try:
        return {os.path.splitext(entry.name)[0]: entry.name for entry in os.scandir(folder)}  # noqa: PTH122
    except OSError as error:
        raise BadFile(f"{folder} cannot be listed: {error.strerror}") from error
