"""Pictures with masks: what every reader of segmentation data gives."""

import io
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import BadFile
from ..image import Pixels, indexed_mask
from .pictures import Listed, read_part

IGNORED = 255  # in a mask: neither right nor wrong
_UNKNOWN = 254  # in a mask that is being read: no class
_VOID = ("void", "ignore", "ignored", "unlabeled", "unlabelled")  # such a class is neither right nor wrong
MOST_CLASSES = 254

Color = tuple[int, int, int]


class MaskedPictures(Listed, Protocol):
    """A list of pictures with a mask each."""

    def mask(self, index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the class of each pixel of a picture.

        Args:
            index: of the picture.
            size: (height, width) of the picture.

        Returns:
            (height, width) uint8; 255: ignored.

        Raises:
            BadFile: the mask cannot be read, has another size, or a value or colour that stands for no class.
        """

    def shown_mask(self, index: int, size: tuple[int, int]) -> Pixels:
        """Return what a mask looks like, for people: as much as can be shown of one that `mask` refuses.

        Args:
            index: of the picture.
            size: (height, width) of what is returned.
        """


@dataclass(frozen=True, eq=False)
class MaskFiles:
    """Pictures with a mask each that is a picture too.

    Attributes:
        root: folder.
        names: (n,) bytes, paths of the pictures below it in UTF-8.
        masks: (n,) bytes, the same of their masks.
        classes: names by class index.
        indices: (256,) uint8: class of each value that a mask of values may have; 255: ignored, 254: unknown.
        colors: what each colour of a colour mask stands for, in the same way; None: the masks hold values.
    """

    root: Path
    names: NDArray[np.bytes_]
    masks: NDArray[np.bytes_]
    classes: tuple[str, ...]
    indices: NDArray[np.uint8]
    colors: Mapping[Color, int] | None = None

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

    def shown_mask(self, index: int, size: tuple[int, int]) -> Pixels:
        """Return what a mask looks like, as `MaskedPictures` says."""
        return show_mask(self._mask_file(index), size)

    def _mask_file(self, index: int) -> Path:
        return self.root / os.fsdecode(self.masks[index])

    def mask(self, index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the class of each pixel of a picture, as `MaskedPictures` says."""
        path = self._mask_file(index)
        picture = open_mask(path, size, with_colors=self.colors is not None)
        if self.colors is None:
            found = self.indices[picture]
            require_known(path, found, picture, "{}", f"none of the {len(self.classes)} classes")
            return found
        packed = picture.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1])  # (H, W)
        keys = np.array([r << 16 | g << 8 | b for r, g, b in self.colors])
        found = look_up(packed, keys, np.array(list(self.colors.values()), np.uint8))
        require_known(path, found, packed, "#{:06x}", f"none of the {len(self.classes)} classes")
        return found


def look_up(given: NDArray[Any], keys: NDArray[Any], classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the class of each value of a mask (H, W), one of many keys; where it is none of them, no class."""
    order = np.argsort(keys)
    at = np.minimum(np.searchsorted(keys[order], given), len(keys) - 1)
    return np.where(keys[order][at] == given, classes[order][at], np.uint8(_UNKNOWN))


def require_known(path: Path, found: NDArray[np.uint8], given: NDArray[Any], form: str, what: str) -> None:
    """Do nothing for a mask of classes.

    Args:
        path: of the mask, for the error.
        found: (H, W), the class of each pixel.
        given: (H, W), the value of each pixel.
        form: how a value is written.
        what: it stands for, where it is unknown.

    Raises:
        BadFile: a value stands for no class; the first is named.
    """
    unknown = found == _UNKNOWN
    if unknown.any():
        y, x = np.argwhere(unknown)[0]
        raise BadFile(f"{path}: {form.format(given[y, x])} at x {x}, y {y} stands for {what}")


def open_mask(path: Path, size: tuple[int, int], with_colors: bool) -> NDArray[np.uint8]:
    """Read a mask as values (H, W), or as colours (H, W, 3).

    Raises:
        BadFile: it cannot be read, has another size than its picture, or colours where it should have values.
    """
    try:
        with Image.open(io.BytesIO(read_part(path))) as picture:
            if picture.size[::-1] != size:
                raise BadFile(f"{path} is {picture.width} x {picture.height}; its picture is {size[1]} x {size[0]}")
            if with_colors:
                return np.asarray(picture.convert("RGB"))
            if picture.mode not in ("P", "L", "1"):
                raise BadFile(
                    f"{path} has colours ({picture.mode}); one value for each pixel is required, or a classes.txt with "
                    "lines such as '128 64 128 road'"
                )
            return np.asarray(picture, np.uint8)
    except BadFile:  # is a ValueError too
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadFile(f"{path} cannot be read as a mask: {error}") from error


def show_mask(path: Path, size: tuple[int, int]) -> Pixels:
    """Return a mask's file as a picture of this size, (H, W, 3), values in colours; black where it is no picture."""
    shown = Image.new("RGB", size[::-1])
    faults = (BadFile, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
    with suppress(*faults), Image.open(io.BytesIO(read_part(path))) as picture:
        values = picture.convert("RGB") if picture.mode not in ("L", "P") else indexed_mask(np.asarray(picture))
        shown = values.convert("RGB").resize(size[::-1], Image.Resampling.NEAREST)
    return np.asarray(shown)


def list_masks(
    where: Path,
    root: Path,
    rows: Sequence[tuple[str, str]],
    indices: Sequence[str | None],
    *,
    colors: Mapping[Color, int] | None = None,
) -> MaskFiles:
    """Make a list of pictures from what a file says.

    Args:
        where: the file, for errors.
        root: folder of the pictures.
        rows: (path of the picture, of its mask), below root.
        indices: name of the class of each value, None for one that is ignored; 255 is ignored too.
        colors: by colour the place in `indices`; None: the masks hold values.

    Raises:
        BadFile: no picture, no class or too many.
    """
    if not rows:
        raise BadFile(f"{where} lists no picture; one or more is required")
    classes, by_value = number_classes(where, indices)
    table = np.full(256, _UNKNOWN, np.uint8)
    table[: len(by_value)] = by_value
    table[IGNORED] = IGNORED
    names, masks = (np.array([os.fsencode(row[i]) for row in rows], np.bytes_) for i in (0, 1))
    by_color = None if colors is None else {color: by_value[value] for color, value in colors.items()}
    return MaskFiles(root, names, masks, classes, table, by_color)


def number_classes(where: Path, names: Sequence[str | None]) -> tuple[tuple[str, ...], list[int]]:
    """Return the classes, and the index of each name among them; 255 for None.

    Raises:
        BadFile: no class or too many.
    """
    classes = tuple(name for name in names if name is not None)
    if not 2 <= len(classes) <= MOST_CLASSES or len(names) > IGNORED:
        raise BadFile(f"{where}: {len(classes)} classes; 2 to {MOST_CLASSES} are required")
    numbers = iter(range(len(classes)))
    return classes, [IGNORED if name is None else next(numbers) for name in names]


def without_void(names: Sequence[str]) -> tuple[str | None, ...]:
    """Return None in the place of each name that is no class: ``void``, ``ignore`` and the like."""
    return tuple(None if name.lower() in _VOID else name for name in names)
