"""Parts of training pictures as arrays; large JPEG files are decoded at a part of their size."""

from io import BytesIO
from typing import NamedTuple

from PIL import ExifTags, Image

from ..image import Pixels, read_image
from ..image.view import view_of

_REDUCTIONS = (8, 4, 2)  # by which libjpeg can shrink a picture while it decodes


class Part(NamedTuple):
    """A part of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int


class Encoded:
    """A picture in a file, of which the header was read.

    Args:
        content: of the file.

    Attributes:
        size: (height, width), upright.

    Raises:
        BadFile: as `read_image`.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._plain = _plain_jpeg(content)
        self._pixels = None if self._plain else read_image(content)
        self.size: tuple[int, int]
        self.size = self._plain.size[::-1] if self._plain else self.pixels().shape[:2]

    def pixels(self) -> Pixels:
        """Decode the whole picture as `read_image` does.

        Raises:
            BadFile: as there.
        """
        if self._pixels is None:
            self._pixels = read_image(self._content)
        return self._pixels

    def cut(self, box: Part, size: int) -> Pixels:
        """Decode a part of the picture; of an ordinary JPEG file once only, no finer than it will be shown.

        Args:
            box: inside the picture.
            size: of the square that it will be resized to, in pixels.

        Returns:
            uint8 (H, W, 3): the box, with an eighth, a quarter or a half of its sides while those are `size` or more.

        Raises:
            BadFile: as `read_image`.
        """
        if self._plain is None:
            return self.pixels()[box.top : box.top + box.height, box.left : box.left + box.width]
        reduction = next((r for r in _REDUCTIONS if min(box.height, box.width) >= r * size), 1)
        top, left, height, width = (side // reduction for side in box)
        try:
            if reduction > 1:
                self._plain.draft("RGB", (self.size[1] // reduction, self.size[0] // reduction))
            return view_of(self._plain)[top : top + height, left : left + width]
        except Exception:  # damaged: `read_image` says what can be had of it
            self._plain = None
            return self.cut(box, size)


def _plain_jpeg(content: bytes) -> Image.Image | None:
    """Return the opened picture if it is a JPEG file in colour that stands upright and is not too large."""
    try:
        image = Image.open(BytesIO(content), formats=("JPEG",))
        upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    except Exception:  # whatever is wrong or large, `read_image` says it
        return None
    return image if image.mode == "RGB" and upright else None
