"""check_boxes: what is wrong with a data set for finding objects, before anybody trains on it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..boxes import iou
from ..errors import BadFile, BadValue
from ..files import atomic_write
from ..image import Pixels, read_image
from ..image.frames import draw_frames
from ..image.sheet import sheet
from .boxed import BoxedPictures, Boxes, areas_of
from .check import DataReport, Finding, Place, error, look, warning
from .open_boxes import box_parts, open_boxes
from .open_pictures import TEST, TRAIN, VALIDATION

SAME = 0.95  # overlap from which on two boxes of a class are one object
BEYOND = 1.0  # pixels that a box may stand out of its picture
_SHEET = 32  # pictures

_Boxed = Place[BoxedPictures]


def has_boxes(root: str | PathLike[str]) -> bool:
    """Tell whether a folder holds parts with boxes, in any layout of `open_box_splits`.

    Raises:
        BadFile: a ``data.yaml`` or a table that cannot be read.
    """
    return bool(box_parts(Path(root))[0])


def check_boxes(
    root: str | PathLike[str],
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    page: str | PathLike[str] | None = None,
) -> DataReport:
    """Read every picture of a data set with boxes, and say what is wrong.

    Errors: a part or picture that cannot be read, an unknown class, a box without area or outside its picture, one
    picture in two parts. Warnings: a box that stands out of its picture, two boxes on one object, a picture without
    boxes, a class without boxes, one picture twice in a part.

    Args:
        root: as for `open_box_splits`.
        progress: told the number of pictures that are done and of all.
        page: where a JPEG sheet of the pictures with wrong boxes goes; None: nowhere.

    Raises:
        BadFile: no part has boxes, or the sheet cannot be written.
    """
    parts, findings = _open_parts(Path(root))
    findings += [finding for name, pictures in parts.items() for finding in _about_classes(name, pictures)]
    places = [Place(name, pictures, i) for name, pictures in parts.items() for i in range(len(pictures))]
    seen: dict[bytes, _Boxed] = {}
    drawn: list[tuple[Pixels, str]] = []
    for done, place in enumerate(places, 1):
        found, wrong = _about_picture(place, seen)
        findings += found
        if page and len(drawn) < _SHEET and wrong:
            drawn.append(
                (_framed(place, wrong), f"{Path(place.name).name}: {', '.join(dict.fromkeys(wrong.values()))}")
            )
        progress(done, len(places))
    if page and drawn:
        with atomic_write(Path(page)) as temporary:
            pictures, texts = zip(*drawn, strict=True)
            sheet(pictures, texts, tile=(320, 240)).save(temporary, "JPEG", quality=88)
    counts = {name: _counts(pictures) for name, pictures in parts.items()}
    return DataReport(pictures=len(places), counted="boxes", counts=counts, findings=tuple(findings))


def _open_parts(root: Path) -> tuple[dict[str, BoxedPictures], list[Finding]]:
    """Open what can be opened; the classes are those of the training part."""
    paths, classes = box_parts(root)
    if not paths:
        raise BadFile(f"{root} has no part with boxes; files of COCO, VOC or YOLO, or tables of boxes are required")
    parts: dict[str, BoxedPictures] = {}
    findings = []
    for names in (TRAIN, VALIDATION, TEST):
        path = next((paths[name] for name in names if name in paths), None)
        if path is None and names is not TEST:
            findings.append(error("part", names[0], f"{root} has no part {' or '.join(names)}"))
        if path is None:
            continue
        try:
            parts[names[0]] = open_boxes(path, parts[TRAIN[0]].classes if TRAIN[0] in parts else classes)
        except (BadFile, BadValue) as fault:
            findings.append(error("part", names[0], str(fault)))
    return parts, findings


def _about_classes(part: str, pictures: BoxedPictures) -> Iterator[Finding]:
    for label, count in _counts(pictures).items():
        if not count:
            yield warning("empty class", f"{part}/{label}", f"no box of the class {label!r} in {part}")


def _about_picture(place: _Boxed, seen: dict[bytes, _Boxed]) -> tuple[list[Finding], dict[int, str]]:
    """Say what is wrong with a picture and its boxes, and of the wrong boxes by number, what."""
    size, findings = look(place, seen)
    if size is None:
        return findings, {}
    boxes, (height, width) = place.pictures.listed(place.number), size
    sides = np.array([width, height, width, height], np.float32)
    corners = boxes.corners * sides if place.pictures.relative else boxes.corners
    if not len(corners):
        findings.append(
            warning("no boxes", place.name, f"{place.name} has no boxes; all of it is learnt as background")
        )
    wrong = list(_about_boxes(place, boxes._replace(corners=corners), sides))
    return findings + [finding for _, finding in wrong], {number: finding.kind for number, finding in wrong}


def _about_boxes(place: _Boxed, boxes: Boxes, sides: NDArray[np.float32]) -> Iterator[tuple[int, Finding]]:
    inside = np.clip(boxes.corners, 0, sides)
    beyond = np.abs(boxes.corners - inside).max(axis=1, initial=0)
    flat = areas_of(boxes.corners) <= 0
    gone = ~flat & (areas_of(inside) <= 0)
    within = f"{sides[0]:.0f} x {sides[1]:.0f}"
    for level, kind, found, text in (
        (error, "no area", flat, "has no area; it is left out of training"),
        (error, "outside", gone, f"is outside {within}"),
        (warning, "beyond the border", ~flat & ~gone & (beyond > BEYOND), f"stands out of {within}"),
    ):
        for number in np.flatnonzero(found).tolist():
            yield number, level(kind, place.name, f"{_box(place, boxes, number)} {text}")
    yield from _about_doubles(place, boxes, np.flatnonzero(~flat & ~gone))


def _about_doubles(place: _Boxed, boxes: Boxes, sound: NDArray[np.intp]) -> Iterator[tuple[int, Finding]]:
    for index in np.unique(boxes.class_ids[sound]):
        mine = sound[boxes.class_ids[sound] == index]
        overlap = iou(boxes.corners[mine], boxes.corners[mine])
        for first, second in mine[np.argwhere(np.triu(overlap >= SAME, 1))].tolist():
            text = f"{_box(place, boxes, second)} lies on another of the class: {_corners(boxes, first)}"
            yield second, warning("double", place.name, text)


def _framed(place: _Boxed, wrong: Mapping[int, str]) -> Pixels:
    """Return a small copy of a picture with its boxes as the file has them; the wrong ones say what is wrong."""
    pixels = read_image(place.pictures.read(place.number))
    boxes = place.pictures.listed(place.number)
    height, width = pixels.shape[:2]
    factor = np.array([width, height, width, height]) if place.pictures.relative else 1
    texts = [wrong.get(number, "") for number in range(len(boxes.corners))]
    return draw_frames(pixels, boxes.corners * factor, boxes.class_ids, texts)


def _box(place: _Boxed, boxes: Boxes, number: int) -> str:
    label = place.pictures.classes[int(boxes.class_ids[number])]
    return f"{place.name}: the box {_corners(boxes, number)} of the class {label!r}"


def _corners(boxes: Boxes, number: int) -> str:
    return "[" + ", ".join(f"{edge:g}" for edge in boxes.corners[number]) + "]"


def _counts(pictures: BoxedPictures) -> dict[str, int]:
    found: Sequence[int] = np.bincount(pictures.table.class_ids, minlength=len(pictures.classes)).tolist()
    return dict(zip(pictures.classes, found, strict=True))
