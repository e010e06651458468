"""check_masks: what is wrong with a data set of pictures with masks, before anybody trains on it."""

from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import BadFile, BadValue
from ..files import atomic_write
from ..image import Pixels, read_image
from ..image.sheet import sheet
from .check import DataReport, Finding, Place, error, look, warning
from .masked import IGNORED, MaskedPictures
from .open_masks import LAYOUTS, MASK_PARTS, find_mask_part, open_masks

_SHEET = 32  # pictures


def has_masks(root: str | PathLike[str]) -> bool:
    """Tell whether a folder holds parts with masks, in any layout of `open_mask_splits`."""
    return any(find_mask_part(Path(root), names) for names in MASK_PARTS.values())


def check_masks(
    root: str | PathLike[str],
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    page: str | PathLike[str] | None = None,
) -> DataReport:
    """Read every picture and mask of a data set, and say what is wrong.

    Errors: a part, picture or mask that cannot be read, a mask of another size than its picture, a value or colour that
    stands for no class, one picture in two parts. Warnings: a mask that is ignored as a whole, a class without pixels,
    one picture twice in a part.

    Args:
        root: as for `open_mask_splits`.
        progress: told the number of pictures that are done and of all.
        page: where a JPEG sheet of the pictures with wrong masks goes, each beside its mask; None: nowhere.

    Raises:
        BadFile: no part has masks, or the sheet cannot be written.
    """
    parts, findings = _open_parts(Path(root))
    places = [Place(name, pictures, i) for name, pictures in parts.items() for i in range(len(pictures))]
    pixels = {name: np.zeros(256, np.int64) for name in parts}
    seen: dict[bytes, Place[MaskedPictures]] = {}
    wrong: list[Place[MaskedPictures]] = []
    for done, place in enumerate(places, 1):
        found = list(_about_picture(place, seen, pixels[place.part]))
        findings += found
        if any(finding.kind == "mask" for finding in found):
            wrong.append(place)
        progress(done, len(places))
    if page and wrong:
        _draw(Path(page), wrong[:_SHEET])
    counts = {name: dict(zip(part.classes, pixels[name].tolist(), strict=False)) for name, part in parts.items()}
    findings += [finding for name, found in counts.items() for finding in _about_classes(name, found)]
    return DataReport(pictures=len(places), counted="pixels", counts=counts, findings=tuple(findings))


def _open_parts(root: Path) -> tuple[dict[str, MaskedPictures], list[Finding]]:
    """Open what can be opened; the classes are those of the training part."""
    places = {name: find_mask_part(root, names) for name, names in MASK_PARTS.items()}
    if not any(places.values()):
        raise BadFile(f"{root} has no part with masks; {LAYOUTS} are known")
    parts: dict[str, MaskedPictures] = {}
    findings = []
    for name, place in places.items():
        try:
            if place:
                parts[name] = open_masks(place, parts["train"].classes if "train" in parts else None)
            elif name != "test":
                findings.append(error("part", name, f"{root} has no part {' or '.join(MASK_PARTS[name])}"))
        except (BadFile, BadValue) as fault:
            findings.append(error("part", name, str(fault)))
    return parts, findings


def _about_classes(part: str, counts: dict[str, int]) -> Iterator[Finding]:
    for label, count in counts.items():
        if not count:
            yield warning("empty class", f"{part}/{label}", f"no pixel of the class {label!r} in {part}")


def _about_picture(
    place: Place[MaskedPictures], seen: dict[bytes, Place[MaskedPictures]], pixels: NDArray[np.int64]
) -> Iterator[Finding]:
    """Look at one picture and its mask, and add the mask's pixels of each class to `pixels` (256,)."""
    size, findings = look(place, seen)
    yield from findings
    if size is None:
        return
    try:
        mask = place.pictures.mask(place.number, size)
    except BadFile as fault:
        yield error("mask", place.name, str(fault))
        return
    pixels += np.bincount(mask.reshape(-1), minlength=256)
    if (mask == IGNORED).all():
        yield warning("all ignored", place.name, f"{place.name}: all of its mask is ignored; nothing is learnt from it")


def _draw(page: Path, places: list[Place[MaskedPictures]]) -> None:
    texts = [f"{Path(place.name).name} and its mask" for place in places]
    with atomic_write(page) as temporary:
        sheet(map(_beside_mask, places), texts, tile=(640, 240)).save(temporary, "JPEG", quality=88)


def _beside_mask(place: Place[MaskedPictures]) -> Pixels:
    """Return a picture with its mask at its right, as large."""
    pixels = read_image(place.pictures.read(place.number))
    return np.concatenate([pixels, place.pictures.shown_mask(place.number, pixels.shape[:2])], axis=1)
