"""The planes of a decoded frame, where they lie."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..image import Planes
from ..image.planes import Matrix

# by FFmpeg's AVColorSpace; 2: the file does not say, which FFmpeg takes for BT.601:
# https://ffmpeg.org/doxygen/trunk/pixfmt_8h.html, libswscale/yuv2rgb.c
_MATRICES: dict[int, Matrix] = {1: "bt709", 2: "bt601", 5: "bt601", 6: "bt601"}
_FORMATS = {"yuv420p": False, "yuvj420p": True, "nv12": False}  # whether they always have the full range
_FULL = 2  # AVCOL_RANGE_JPEG


def planes_of(frame: Any) -> Planes | None:
    """Show the planes of a frame of PyAV's; they live as long as the arrays do, and are not to be written to.

    Args:
        frame: `av.VideoFrame`.

    Returns:
        None where its format or its colours are none of those that `Planes` has.
    """
    always_full = _FORMATS.get(frame.format.name)
    matrix = _MATRICES.get(frame.colorspace)
    if always_full is None or matrix is None or any(plane.line_size < 0 for plane in frame.planes):
        return None
    full = always_full or frame.color_range == _FULL
    luma, *chroma = frame.planes
    blue, red = (_rows(chroma[0], 2), None) if len(chroma) == 1 else (_rows(plane, 1)[..., 0] for plane in chroma)
    return Planes(_rows(luma, 1)[..., 0], blue, red, matrix, full)


def _rows(plane: Any, each: int) -> NDArray[np.uint8]:
    """Return a plane as (height, width, bytes of a place)."""
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : each * plane.width]
    rows.flags.writeable = False
    return rows.reshape(plane.height, plane.width, each)
