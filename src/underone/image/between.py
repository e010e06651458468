"""Pixels → tensor between two neighbours, without smoothing: TensorFlow 1's way to resize."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .read import Pixels
from .resample import Cut, Tables

_Neighbours = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


def resample_between(pixels: Pixels, cut: Cut, tables: Tables, out: NDArray[np.float32], channels_last: bool) -> None:
    """Do what `resample` does for ``bilinear_corner``; values are not rounded to bytes.

    Source: tensorflow/core/kernels/image/resize_bilinear_op.cc, with neither align_corners nor half_pixel_centers.
    """
    picture: NDArray[Any] = (
        np.atleast_3d(np.asarray(Image.fromarray(pixels).convert("L"))) if cut.color == "GRAY" else pixels
    )
    (top, left), (height, width) = cut.origin, cut.size
    y, y_next, down = _neighbours(picture.shape[0], cut.resized[0], slice(top, top + height))
    x, x_next, across = _neighbours(picture.shape[1], cut.resized[1], slice(left, left + width))
    across = across[:, None]  # (W, 1), beside the channels
    upper = _lerp(picture[y[:, None], x], picture[y[:, None], x_next], across)  # (H, W, C)
    lower = _lerp(picture[y_next[:, None], x], picture[y_next[:, None], x_next], across)
    values = _lerp(upper, lower, down[:, None, None])
    if cut.color == "BGR":
        values = values[:, :, ::-1]
    # the tables are straight lines
    values = values * ((tables[:, 255] - tables[:, 0]) / np.float32(255)) + tables[:, 0]
    out[0] = values if channels_last else values.transpose(2, 0, 1)


def _neighbours(size: int, resized: int, kept: slice) -> _Neighbours:
    """Give for each place the pixel before it, the one behind it, and how far it lies between them."""
    place = np.arange(resized, dtype=np.float32)[kept] * np.float32(size / np.float32(resized))
    before = np.minimum(np.floor(place).astype(np.int64), size - 1)
    return before, np.minimum(before + 1, size - 1), place - before.astype(np.float32)


def _lerp(a: NDArray[Any], b: NDArray[Any], share: NDArray[np.float32]) -> NDArray[np.float32]:
    start = a.astype(np.float32)
    return start + (b.astype(np.float32) - start) * share
