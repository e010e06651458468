"""COCO: one JSON file with pictures, categories, and outlines of objects or segments of pictures."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadFile
from ..image import Pixels, indexed_mask
from .boxed import require_below
from .from_coco import by_id, picture_folder, read_coco
from .masked import IGNORED, MaskedPictures, look_up, number_classes, open_mask, require_known, show_mask, without_void
from .outlines import area_of
from .pictures import read_part

BACKGROUND = "background"  # class of what lies in no outline
_FREE = 254  # in a mask that is being filled: no outline yet

_LARGEST = 1 << 20  # pixels of a side

Images = Mapping[int, Mapping[str, Any]]
Row = tuple[Any, ...]  # number of the annotation, class, outline; or id of the segment, class


@dataclass(frozen=True, eq=False)
class CocoPictures:
    """Pictures whose answers stand in one file of COCO's.

    Attributes:
        where: the file.
        root: folder of the pictures.
        names: (n,) bytes, paths of the pictures below it in UTF-8.
        sizes: (n, 2) height and width of each as the file has it.
        classes: names by class index.
        rows: the rows of each picture as JSON, one behind the other: numbers by the million take less memory so.
        first: (n + 1,) where those of each begin; the last: where they end.
    """

    where: Path
    root: Path
    names: NDArray[np.bytes_]
    sizes: NDArray[np.int64]
    classes: tuple[str, ...]
    rows: bytes
    first: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """Return the path."""
        return str(self.root / os.fsdecode(self.names[index]))

    def read(self, index: int) -> bytes:
        """Return the file's bytes."""
        return read_part(Path(self.name(index)))

    def rows_of(self, index: int, size: tuple[int, int]) -> list[Row]:
        """Return the rows of a picture of this size.

        Raises:
            BadFile: the file has another size for it.
        """
        height, width = self.sizes[index].tolist()
        if (height, width) != size:
            raise BadFile(
                f"{self.where}: {os.fsdecode(self.names[index])!r} is {width} x {height} there; the picture is "
                f"{size[1]} x {size[0]}"
            )
        return self._rows(index)

    def _rows(self, index: int) -> list[Row]:
        found: list[Row] = json.loads(self.rows[self.first[index] : self.first[index + 1]])
        return found


class OutlinedPictures(CocoPictures):
    """Pictures with outlines of objects; where those of two classes lie over each other, the mask is ignored."""

    def shown_mask(self, index: int, size: tuple[int, int]) -> Pixels:
        """Return what a mask looks like, as `MaskedPictures` says: the outlines that can be filled, on background."""
        shown = np.full(size, self.classes.index(BACKGROUND), np.uint8)
        for number, class_id, outline in self._rows(index):
            with suppress(BadFile):
                shown[area_of(f"annotation {number}", outline, size)] = class_id
        return np.asarray(indexed_mask(shown).convert("RGB"))

    def mask(self, index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the class of each pixel of a picture, as `MaskedPictures` says."""
        result = np.full(size, _FREE, np.uint8)
        for number, class_id, outline in self.rows_of(index, size):
            inside = area_of(f"{self.where}: annotation {number}", outline, size)
            there = result[inside]
            result[inside] = np.where((there == _FREE) | (there == class_id), class_id, IGNORED)
        result[result == _FREE] = self.classes.index(BACKGROUND)
        return result


@dataclass(frozen=True, eq=False)
class SegmentedPictures(CocoPictures):
    """Pictures with a picture each whose colours are the ids of its segments: COCO's panoptic form.

    Attributes:
        masks: (n,) bytes, names of those, in the folder beside the file that is named like it.
    """

    masks: NDArray[np.bytes_]

    def shown_mask(self, index: int, size: tuple[int, int]) -> Pixels:
        """Return what a mask looks like, as `MaskedPictures` says: the colours of its segments."""
        return show_mask(self._mask_file(index), size)

    def _mask_file(self, index: int) -> Path:
        return self.where.with_suffix("") / os.fsdecode(self.masks[index])

    def mask(self, index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the class of each pixel of a picture, as `MaskedPictures` says."""
        rows, path = [(0, IGNORED), *self.rows_of(index, size)], self._mask_file(index)
        given = open_mask(path, size, with_colors=True).astype(np.int32) @ np.array([1, 1 << 8, 1 << 16])  # (H, W)
        found = look_up(given, np.array([row[0] for row in rows]), np.array([row[1] for row in rows], np.uint8))
        require_known(path, found, given, "{}", "no segment of the picture")
        return found


def from_coco_masks(path: Path) -> MaskedPictures:
    """List the pictures of a COCO file with their masks; their folder is that of `from_coco`.

    Args:
        path: JSON with ``images``, ``annotations`` and ``categories``. Of objects (``segmentation``), by outlines or
            run lengths: what lies in none has the class ``background``, the first one unless a category is called so.
            Of panoptic segments (``segments_info``): those of no segment are ignored. Classes are the categories in the
            order of their ids; ``void`` and ``ignore`` are none.

    Raises:
        BadFile: not readable, no COCO file, an id that is given twice or names nothing, or no such pictures.
    """
    raw = read_coco(path)
    images = by_id(path, raw, "images")
    if not images:
        raise BadFile(f"{path} lists no picture; one or more is required")
    labels = {i: str(category.get("name", i)) for i, category in sorted(by_id(path, raw, "categories").items())}
    is_segmented = any(isinstance(a, dict) and "segments_info" in a for a in raw["annotations"])
    listed = _segmented if is_segmented else _outlined
    return listed(path, images, labels, raw["annotations"])


def _outlined(path: Path, images: Images, labels: Mapping[int, str], annotations: Sequence[Any]) -> MaskedPictures:
    names = without_void([*labels.values()])
    free = () if BACKGROUND in names else (BACKGROUND,)
    classes, numbers = number_classes(path, (*free, *names))
    index = dict(zip(labels, numbers[len(free) :], strict=True))
    rows: dict[int, list[Row]] = {i: [] for i in images}
    for number, annotation in enumerate(annotations):
        try:
            row = (number, index[annotation["category_id"]], annotation.get("segmentation"))
            rows[annotation["image_id"]].append(row)
        except (KeyError, TypeError) as error:
            raise _without(path, number, "image_id and category_id that are listed", error) from error
        if not _is_flat(row[-1]):
            raise BadFile(
                f"{path}: annotation {number} has an outline with lists in lists; lists of numbers are required"
            )
    return OutlinedPictures(path, *_pictures(path, images), classes, *_packed(rows))


def _segmented(path: Path, images: Images, labels: Mapping[int, str], annotations: Sequence[Any]) -> MaskedPictures:
    classes, numbers = number_classes(path, without_void([*labels.values()]))
    index = dict(zip(labels, numbers, strict=True))
    rows: dict[int, list[Row]] = {}
    masks: dict[int, str] = {}
    for number, annotation in enumerate(annotations):
        try:
            name, parts = annotation["file_name"], annotation["segments_info"]
        except (KeyError, TypeError) as error:
            raise _without(path, number, "file_name and segments_info", error) from error
        try:
            at = images[annotation["image_id"]]["id"]
            found = [(_id(path, number, part["id"]), index[part["category_id"]]) for part in parts]
        except (KeyError, TypeError) as error:
            raise _without(path, number, "image_id and category_id that are listed", error) from error
        if at in rows:
            raise BadFile(f"{path}: annotation {number} is a second one of the picture {at}; one is required")
        if len(dict(found)) < len(found):
            raise BadFile(f"{path}: annotation {number} has two segments of one id; an id for each is required")
        rows[at], masks[at] = found, require_below(path, str(name))
    missing = next((i for i in images if i not in masks), None)
    if missing is not None:
        raise BadFile(f"{path}: the picture {missing} has no annotation; its segments are required")
    files: NDArray[Any] = np.array([os.fsencode(masks[i]) for i in images], np.bytes_)
    return SegmentedPictures(path, *_pictures(path, images), classes, *_packed({i: rows[i] for i in images}), files)


def _without(path: Path, number: int, what: str, error: Exception) -> BadFile:
    return BadFile(f"{path}: annotation {number} has no {what} ({type(error).__name__}: {error})")


def _is_flat(outline: Any) -> bool:
    """Tell whether an outline's own lists hold no others: whoever takes it apart later goes no deeper."""
    parts = outline.values() if isinstance(outline, dict) else outline if isinstance(outline, list) else ()
    return all(
        not isinstance(part, dict) and (not isinstance(part, list) or {list, dict}.isdisjoint(map(type, part)))
        for part in parts
    )


def _id(path: Path, number: int, value: Any) -> int:
    if not isinstance(value, int) or not 0 < value < 1 << 24:
        raise BadFile(
            f"{path}: annotation {number} has a segment with the id {value!r}; one from 1 to 2^24 - 1 is required"
        )
    return value


def _pictures(path: Path, images: Images) -> tuple[Path, NDArray[np.bytes_], NDArray[np.int64]]:
    """Return the folder, the names and the sizes of the pictures."""
    names = [require_below(path, str(image.get("file_name", ""))) for image in images.values()]
    sizes = [(image.get("height"), image.get("width")) for image in images.values()]
    bad = next(
        (i for i, size in enumerate(sizes) if not all(isinstance(n, int) and 0 < n < _LARGEST for n in size)), None
    )
    if bad is not None:
        raise BadFile(
            f"{path}: the picture {names[bad]!r} has the height and width {sizes[bad]}; its pixels are required"
        )
    encoded: NDArray[Any] = np.array([os.fsencode(name) for name in names], np.bytes_)
    return picture_folder(path, names), encoded, np.array(sizes, np.int64)


def _packed(rows: Mapping[int, Sequence[Row]]) -> tuple[bytes, NDArray[np.int64]]:
    """Write the rows of each picture as JSON, one behind the other; return them and where each begins."""
    texts = [json.dumps(found, separators=(",", ":")).encode() for found in rows.values()]
    return b"".join(texts), np.cumsum([0, *map(len, texts)], dtype=np.int64)
