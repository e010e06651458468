"""The planes of a camera's or a decoder's frame."""

from dataclasses import InitVar, dataclass, field
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadValue, ShapeError
from .array import Pixels, as_numpy

Matrix = Literal["bt601", "bt709"]

# weights of red and blue in the luma: ITU-R BT.601-7, 2.5.1; BT.709-6, 3.2
_LUMA: dict[Matrix, tuple[float, float]] = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


@dataclass(frozen=True, eq=False)
class Planes:
    """A frame as cameras and decoders give it: light and colours apart, the colours in half the size.

    It is a picture like any other: `prepare` makes a tensor of it in one pass.

    Args:
        luma: uint8 (H, W).
        chroma: uint8 (ceil(H/2), ceil(W/2), 2), blue difference first, as NV12 has them; or, with `second`,
            (ceil(H/2), ceil(W/2) ) of the blue difference alone, as I420 has them.
        second: the plane of the red difference.
        matrix: of the colours: ``bt601`` for standard definition and JPEG, ``bt709`` for high definition.
        full_range: values from 0 to 255, as JPEG has them, and not from 16 to 235 (240).

    Attributes:
        blue: the blue difference, (ceil(H/2), ceil(W/2)).
        red: the red difference.

    Raises:
        ShapeError: planes of other shapes or of another dtype.
        BadValue: another matrix.

    Source: ITU-R BT.601-7, BT.709-6; JFIF 1.02 for the full range.
    """

    luma: Any
    chroma: InitVar[Any]
    second: InitVar[Any] = None
    matrix: Matrix = "bt601"
    full_range: bool = False
    blue: NDArray[np.uint8] = field(init=False)
    red: NDArray[np.uint8] = field(init=False)

    def __post_init__(self, chroma: Any, second: Any) -> None:
        if self.matrix not in _LUMA:
            raise BadValue(f"matrix={self.matrix!r}; {' or '.join(map(repr, _LUMA))} is required")
        for name, plane in zip(("luma", "blue", "red"), _planes(self.luma, chroma, second), strict=True):
            object.__setattr__(self, name, plane)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, 3), that of the picture."""
        height, width = self.luma.shape
        return height, width, 3

    @property
    def factors(self) -> tuple[int, ...]:
        """Give black, the factor of the luma, and what differences add to red, take from green, add to blue.

        The luma's is in 2^-14, those of the differences are in 2^-13.
        """
        return _factors(self.matrix, self.full_range)

    def to_rgb(self) -> Pixels:
        """Return the frame as uint8 (H, W, 3); each pixel takes the chroma of its square of two by two.

        Calculated in 64ths of a level: no byte is further than 1 from that of the formula in real numbers.
        """
        black, light_of, of_red, green_of_red, green_of_blue, of_blue = self.factors
        height, width = self.luma.shape
        light = _product((self.luma.astype(np.int32) - black) * 128, light_of)
        b, r = (
            ((plane.astype(np.int32) - 128) * 256).repeat(2, 0).repeat(2, 1)[:height, :width]
            for plane in (self.blue, self.red)
        )
        green = _product(r, green_of_red) + _product(b, green_of_blue)
        colors = np.stack((light + _product(r, of_red), light - green, light + _product(b, of_blue)), axis=-1)
        pixels: Pixels = ((colors + 32) >> 6).clip(0, 255).astype(np.uint8)
        return pixels


@cache
def _factors(matrix: Matrix, full_range: bool) -> tuple[int, ...]:
    low, tall, wide = (0, 255, 255) if full_range else (16, 219, 224)
    of_red, of_blue = _LUMA[matrix]
    of_green = 1 - of_red - of_blue
    from_red, from_blue = 2 * (1 - of_red), 2 * (1 - of_blue)
    differences = from_red, from_red * of_red / of_green, from_blue * of_blue / of_green, from_blue
    return low, round(255 / tall * 2**14), *(round(255 / wide * factor * 2**13) for factor in differences)


def _product(values: NDArray[np.int32], factor: int) -> NDArray[np.int32]:
    """Multiply by fractions of 15 bits, rounded."""
    return (values * factor + (1 << 14)) >> 15


def _planes(luma: Any, chroma: Any, second: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    y, first = as_numpy(luma), as_numpy(chroma)
    both = [first[..., 0], first[..., 1]] if second is None and first.ndim == 3 and first.shape[2] == 2 else None
    blue, red = both or [first, as_numpy(second) if second is not None else np.empty(0, first.dtype)]
    halves = tuple(-(-side // 2) for side in y.shape)
    if y.ndim != 2 or not y.size or y.dtype != np.uint8:
        raise ShapeError(f"the luma is {y.shape} of {y.dtype}; uint8 planes, the luma (H, W), are required")
    if blue.dtype != np.uint8 or red.dtype != np.uint8:
        raise ShapeError(f"the chroma is of {blue.dtype} and {red.dtype}; uint8 planes are required")
    if blue.shape != halves or red.shape != halves:
        shapes = [p.shape for p in (first, *(() if second is None else (red,)))]
        raise ShapeError(
            f"for a luma {y.shape} the chroma planes are {shapes}; one {(*halves, 2)} (NV12) or two {halves} "
            f"(I420) are required"
        )
    if y.strides[1] != 1:
        y = np.ascontiguousarray(y)
    in_pairs = both is not None and first.strides[1:] in ((2, 1), (2, -1))
    in_rows = blue.strides == red.strides and blue.strides[1] == 1
    if not (in_pairs or in_rows):
        blue, red = np.ascontiguousarray(blue), np.ascontiguousarray(red)
    return y, blue, red
