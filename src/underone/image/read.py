"""Every kind of picture → one uint8 RGB array."""

import re
import warnings
from collections.abc import Callable
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..errors import BadFile, BadValue, ShapeError
from .array import Pixels as Pixels
from .planes import Planes
from .resample import rgb_of
from .url import Url
from .view import copy_of, view_of

PictureFile = str | PathLike[str] | bytes | IO[bytes] | Url
Picture = PictureFile | Image.Image | NDArray[Any] | Planes


def read_image(source: Picture, least: tuple[int, int] | None = None) -> Pixels:
    """Read a picture of any kind.

    Alpha and transparent palette entries are dropped, not blended, as torchvision's ``convert("RGB")`` does. 16-bit
    grey is scaled to 8 bits. The EXIF orientation is applied. Of an animation the first frame is read.

    Args:
        source: a path, the bytes of a file, an open binary file, a `Url`, a PIL picture, the `Planes` of a frame, a
            frame of PyAV's, or a uint8 array: (H, W, 3) in RGB order or (H, W) grey.
        least: (height, width); a JPEG file is decoded at an eighth, a quarter or a half of its sides where these are
            no less than that, which is faster. None: at its own size.

    Returns:
        uint8 (H, W, 3), RGB. An array (H, W, 3) is returned as it is, not copied.

    Raises:
        BadFile: no such file, an address without its `Url`, not a picture, cut short, or more pixels than Pillow's own
            bound (about 179 million).
        BadValue: `source` is of no kind named above.
        ShapeError: an array of another dtype or shape.

    >>> read_image(np.zeros((2, 3), np.uint8)).shape
    (2, 3, 3)
    """
    return _read(source, least, copy_of)


def size_of(source: PictureFile) -> tuple[int, int]:
    """Return the (height, width) of what `read_image` makes of a file; only its header is read, and not its pixels.

    Raises:
        BadFile, BadValue: as `read_image`, but for damage in the pixels.
    """
    file, name = _open(source)
    with file:
        image = _identify(file, name)
        width, height = image.size
        return (width, height) if _lies(image) else (height, width)


def show_image(source: Picture, least: tuple[int, int] | None = None) -> Pixels:
    """Read a picture to look at it: as `read_image`, but the pixels of a file need not be copied.

    Returns:
        uint8 (H, W, 3), RGB; of a file not to be written to, and perhaps with gaps, as `view_of` says.
    """
    return _read(source, least, view_of)


def _read(source: Picture, least: tuple[int, int] | None, of_file: Callable[[Image.Image], Pixels]) -> Pixels:
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _decode(source, "the picture", copy_of)  # its owner may draw on it
    if isinstance(source, Planes):
        return rgb_of(source)
    if type(source).__module__.startswith("av."):
        return _from_array(cast(Any, source).to_ndarray(format="rgb24"))
    file, name = _open(source)
    with file:
        image = _identify(file, name)
        if least is not None:
            _reduce(image, least)
        return _decode(image, name, of_file)


def _from_array(array: NDArray[Any]) -> Pixels:
    if array.dtype == np.uint8 and array.size and array.ndim == 2:
        return np.repeat(array[:, :, None], 3, axis=2)  # (H, W) → (H, W, 3)
    if array.dtype == np.uint8 and array.size and array.ndim == 3 and array.shape[2] == 3:
        return array
    raise ShapeError(
        f"the picture is an array {array.shape} of {array.dtype}; uint8 (H, W, 3) in RGB order or (H, W) grey "
        f"is required{_cure(array)}"
    )


def _cure(array: NDArray[Any]) -> str:
    shape = array.shape
    if array.dtype != np.uint8:
        return "; for values from 0 to 1 pass (array * 255).round().astype('uint8')"
    if array.ndim == 4 and shape[0] == 1:
        return "; pass array[0]"
    if array.ndim == 3 and shape[2] == 4:
        return "; without its alpha it is array[:, :, :3]"
    if array.ndim == 3 and shape[0] == 3:
        return "; pass array.transpose(1, 2, 0)"
    return ""


def _open(source: Any) -> tuple[IO[bytes], str]:
    """Return a seekable binary file that is ours to close, and its name for errors."""
    if isinstance(source, bytes | bytearray | memoryview):
        return BytesIO(source), "the picture"
    if isinstance(source, Url):
        return BytesIO(source.fetch()), source.address
    if isinstance(source, str) and re.match(r"\w+://", source):
        raise BadFile(f"{source} is an address, and nothing is fetched unasked; pass underone.image.Url({source!r})")
    if isinstance(source, str | PathLike):
        try:
            return Path(source).open("rb"), str(source)
        except (OSError, ValueError) as error:
            raise BadFile(f"{source} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if hasattr(source, "read"):
        content = source.read()
        if isinstance(content, bytes):
            return BytesIO(content), str(getattr(source, "name", "the picture"))
    raise BadValue(
        f"a {type(source).__module__}.{type(source).__name__} is no picture; pass a path, bytes, an open binary file, "
        f"a PIL picture, or a uint8 array (H, W, 3) in RGB order, as underone.image.from_array makes of any array"
    )


def _identify(file: IO[bytes], name: str) -> Image.Image:
    """Read the header only; the number of pixels is checked here, before anything is decoded."""
    try:
        with warnings.catch_warnings():
            # Pillow warns from a half of its bound on; below the bound we read without a word
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(file)
    except Image.DecompressionBombError as error:
        found, limit = re.findall(r"\d+", str(error))[:2]
        raise BadFile(f"{name} has {int(found):,} pixels; at most {int(limit):,} are read; make it smaller") from error
    except Exception as error:  # Pillow's plugins raise anything on hostile bytes
        raise BadFile(f"{name} is not a picture that can be read: {_reason(error)}") from error


def _decode(image: Image.Image, name: str, pixels_of: Callable[[Image.Image], Pixels]) -> Pixels:
    try:
        return pixels_of(_to_rgb(_upright(image)))
    except Exception as error:  # Pillow's decoders raise anything on hostile bytes
        raise BadFile(f"{name} is damaged or cannot be turned into RGB: {_reason(error)}") from error


def _reduce(image: Image.Image, least: tuple[int, int]) -> None:
    """Have a JPEG file decoded at a part of its size; other formats do not listen."""
    image.draft(image.mode, least if _lies(image) else least[::-1])


def _lies(image: Image.Image) -> bool:
    """Tell whether a picture is stored on its side."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    except Exception:  # damaged EXIF, which `_upright` leaves out as well
        return False


def _upright(image: Image.Image) -> Image.Image:
    image.load()  # first: damage in the pixels must not be taken for a damaged orientation
    try:
        turned = (
            image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        )  # exif_transpose copies even what stands upright
        return ImageOps.exif_transpose(image) if turned else image
    except Exception:  # a picture with damaged EXIF is still a picture; viewers show it as it is stored
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep(image).convert("RGB")
    if image.mode == "RGB":
        return image
    if "transparency" in image.info:
        image = image.convert("RGBA")  # the same colours, without the warning about transparent palette entries
    return image.convert("RGB")


def _from_deep(image: Image.Image) -> Image.Image:
    """Scale 16 bits to 8; Pillow's own conversion would clip at 255."""
    values = np.array(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 0xFFFF:
        raise ValueError(f"its {values.dtype} values from {values.min()} to {values.max()} have no agreed range")
    return Image.fromarray(np.rint(values / 257).astype(np.uint8))  # 65535 / 257 = 255


def _reason(error: Exception) -> str:
    """Name an error in one line, without the repr of our own buffers."""
    if isinstance(error, UnidentifiedImageError):
        return "no known picture format"
    return next(iter(str(error).splitlines()), "") or type(error).__name__
