"""Pictures with masks: what every reader of segmentation data gives."""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import BadFile
from .pictures import read_part

IGNORED = 255  # in a mask: neither right nor wrong
_UNKNOWN = 254
MOST_CLASSES = 254

Color = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class MaskedPictures:
    """Pictures with a mask each, listed but not read.

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

    def mask_file(self, index: int) -> Path:
        """Return the path of a picture's mask."""
        return self.root / os.fsdecode(self.masks[index])

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
        path = self.mask_file(index)
        picture = _opened(path, size, with_colors=self.colors is not None)
        if self.colors is None:
            found = self.indices[picture]
            given: Any = picture
        else:
            given = picture.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1])  # (H, W)
            found = _looked_up(given, self.colors)
        unknown = found == _UNKNOWN
        if unknown.any():
            y, x = np.argwhere(unknown)[0]
            what = f"{given[y, x]}" if self.colors is None else f"#{given[y, x]:06x}"
            raise BadFile(f"{path}: {what} at x {x}, y {y} stands for none of the {len(self.classes)} classes")
        return found


def _looked_up(packed: NDArray[Any], colors: Mapping[Color, int]) -> NDArray[np.uint8]:
    keys = np.array([r << 16 | g << 8 | b for r, g, b in colors])
    order = np.argsort(keys)
    at = np.minimum(np.searchsorted(keys[order], packed), len(keys) - 1)
    values = np.array(list(colors.values()), np.uint8)[order]
    return np.where(keys[order][at] == packed, values[at], np.uint8(_UNKNOWN))


def _opened(path: Path, size: tuple[int, int], with_colors: bool) -> NDArray[np.uint8]:
    """Read a mask as values (H, W), or as colours (H, W, 3)."""
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
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadFile(f"{path} cannot be read as a mask: {error}") from error


def list_masks(
    where: Path,
    root: Path,
    rows: Sequence[tuple[str, str]],
    indices: Sequence[str | None],
    *,
    colors: Mapping[Color, int] | None = None,
) -> MaskedPictures:
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
    classes = tuple(name for name in indices if name is not None)
    if not 2 <= len(classes) <= MOST_CLASSES or len(indices) > IGNORED:
        raise BadFile(f"{where}: {len(classes)} classes; 2 to {MOST_CLASSES} are required")
    numbers = iter(range(len(classes)))
    by_value = [IGNORED if name is None else next(numbers) for name in indices]
    table = np.full(256, _UNKNOWN, np.uint8)
    table[: len(by_value)] = by_value
    table[IGNORED] = IGNORED
    names, masks = (np.array([os.fsencode(row[i]) for row in rows], np.bytes_) for i in (0, 1))
    by_color = None if colors is None else {color: by_value[value] for color, value in colors.items()}
    return MaskedPictures(root, names, masks, classes, table, by_color)
