"""Pixels → tensor: resize, crop and look-up, or bytes; compiled where that is built, else Pillow; the same bits."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from ..settings import isa as wanted_isa
from .array import Pixels
from .planes import Planes

try:
    from .._native import isas, planes_to_rgb
    from .._native import prepare as compiled
    from .._native import prepare_planes as compiled_planes
    from .._native import resize as compiled_resize

    ISAS = [isa for isa in isas() if isa != "amx"]  # that the pass is built for and this processor has, the best first
except ImportError:  # built without a compiler
    ISAS = []

Size = tuple[int, int]  # (height, width)
Tables = NDArray[np.float32]  # (C, 256): the value of each byte in each channel

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
_PILLOW = tuple(map(int, PIL.__version__.split(".")[:2]))


@dataclass(frozen=True)
class Cut:
    """What becomes of the picture before its bytes are looked up.

    Attributes:
        resized: size of the whole picture.
        origin: (top, left) of what is kept of it.
        size: of what is kept.
        interpolation: resampling filter, as in `Preparation`.
        color: channel order of the tensor, as in `Preparation`.
    """

    resized: Size
    origin: Size
    size: Size
    interpolation: str = "bilinear"
    color: str = "RGB"


def resample(pixels: Pixels, cut: Cut, tables: Tables, out: NDArray[np.float32], channels_last: bool) -> None:
    """Fill `out` with the cut picture, each byte replaced by its value.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        cut: must lie inside the resized picture.
        tables: float32 (C, 256), C = 1 for grey, else 3.
        out: float32 (1, C, H, W), or (1, H, W, C) with `channels_last`, contiguous.
        channels_last: layout of `out`.

    Source: Pillow 13, libImaging/Resample.c: two passes with weights of 22 bits, rounded to bytes after each.
    """
    chosen: Callable[[Pixels, Cut, Tables, NDArray[np.float32], bool], None]
    chosen = resample_compiled if ISAS else resample_pillow
    chosen(pixels, cut, tables, out, channels_last)


def resample_compiled(
    pixels: Pixels, cut: Cut, tables: Tables, out: NDArray[np.float32], channels_last: bool, isa: str | None = None
) -> None:
    """Do what `resample` does in one compiled pass that reads only what the cut needs; `isa` is one of `ISAS`."""
    compiled(
        pixels,
        out,
        resized=cut.resized,
        origin=cut.origin,
        interpolation=cut.interpolation,
        columns_first=_columns_first(pixels.shape[0], pixels.shape[1], *cut.resized),
        tables=tables,
        color=cut.color,
        channels_last=channels_last,
        isa=isa or chosen_isa(),
    )


def resample_planes(
    planes: Planes, cut: Cut, tables: Tables, out: NDArray[np.float32], channels_last: bool, isa: str | None = None
) -> None:
    """Do what `resample` does to the RGB of a frame; compiled, a few rows of it exist at a time."""
    if not ISAS:
        resample_pillow(planes.to_rgb(), cut, tables, out, channels_last)
        return
    height, width = planes.luma.shape
    compiled_planes(
        planes.luma,
        planes.blue,
        planes.red,
        out,
        factors=planes.factors,
        resized=cut.resized,
        origin=cut.origin,
        interpolation=cut.interpolation,
        columns_first=_columns_first(height, width, *cut.resized),
        tables=tables,
        color=cut.color,
        channels_last=channels_last,
        isa=isa or chosen_isa(),
    )


def resample_pillow(pixels: Pixels, cut: Cut, tables: Tables, out: NDArray[np.float32], channels_last: bool) -> None:
    """Do what `resample` does by Pillow's resize and numpy's indexing."""
    picture = Image.fromarray(pixels)
    if cut.color == "GRAY":
        picture = picture.convert("L")
    (height, width), (top, left) = cut.size, cut.origin
    picture = picture.resize(cut.resized[::-1], _FILTERS[cut.interpolation])
    values = np.atleast_3d(np.asarray(picture.crop((left, top, left + width, top + height))))  # (H, W, C)
    if cut.color == "BGR":
        values = values[:, :, ::-1]
    for c, table in enumerate(tables):
        plane = out[0, :, :, c] if channels_last else out[0, c]  # (H, W)
        plane[...] = table[values[:, :, c]]


def resize_bytes(pixels: Pixels, mirrored: bool, out: NDArray[np.uint8]) -> None:
    """Fill `out` with the whole picture in its size, bilinear.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        mirrored: right becomes left.
        out: uint8 (3, H, W), contiguous.

    Source: as `resample`.
    """
    chosen: Callable[[Pixels, bool, NDArray[np.uint8]], None]
    chosen = resize_bytes_compiled if ISAS else resize_bytes_pillow
    chosen(pixels, mirrored, out)


def resize_bytes_compiled(pixels: Pixels, mirrored: bool, out: NDArray[np.uint8], isa: str | None = None) -> None:
    """Do what `resize_bytes` does in one compiled pass; `isa` is one of `ISAS`."""
    columns_first = _columns_first(pixels.shape[0], pixels.shape[1], out.shape[1], out.shape[2])
    compiled_resize(pixels, out, mirrored=mirrored, columns_first=columns_first, isa=isa or chosen_isa())


def resize_bytes_pillow(pixels: Pixels, mirrored: bool, out: NDArray[np.uint8]) -> None:
    """Do what `resize_bytes` does by Pillow's resize."""
    resized = np.asarray(Image.fromarray(pixels).resize((out.shape[2], out.shape[1]), _FILTERS["bilinear"]))
    out[...] = (resized[:, ::-1] if mirrored else resized).transpose(2, 0, 1)  # (H, W, 3) → (3, H, W)


def rgb_of(planes: Planes, isa: str | None = None) -> Pixels:
    """Return a frame as uint8 (H, W, 3); compiled, with one of `ISAS`, where that is built: the same bits."""
    if not ISAS:
        return planes.to_rgb()
    out = np.empty((*planes.luma.shape, 3), np.uint8)
    planes_to_rgb(planes.luma, planes.blue, planes.red, out, factors=planes.factors, isa=isa or chosen_isa())
    return out


def chosen_isa() -> str:
    """Name the instruction set that pictures are worked on with, one of `ISAS`."""
    wanted = wanted_isa()
    return wanted if wanted in ISAS else ISAS[0]  # amx is for products of matrices alone


def _columns_first(height: int, width: int, new_height: int, new_width: int) -> bool:
    """Tell which pass the installed Pillow makes first; the bytes between the passes make it a matter of the result."""
    if _PILLOW >= (13, 0):
        return height - new_height > max(0, 2 * (width - new_width))
    return _PILLOW >= (12, 2) and height > 100 * width and height > new_height
