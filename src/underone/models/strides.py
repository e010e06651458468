"""Output stride: strides beyond it become dilations, so that the maps stay large (DeepLab)."""

from collections.abc import Iterable
from typing import NamedTuple

from ..errors import BadValue


class Step(NamedTuple):
    """Geometry of one layer: its own stride and dilation, and the stride of its output against the image."""

    stride: int
    dilation: int
    total: int


def limit_stride(strides: Iterable[int], output_stride: int) -> list[Step]:
    """Replace strides beyond `output_stride` by dilation.

    A layer that loses its stride still samples its input densely and keeps the dilation so far; the layers after it are
    dilated. Source: tensorflow/models, slim/nets/mobilenet/mobilenet.py.

    Args:
        strides: of the layers in order, each 1 or 2.
        output_stride: 8, 16 or 32.

    Raises:
        BadValue: another output stride.

    >>> [step.dilation for step in limit_stride([2, 2, 2, 2, 1], output_stride=8)]
    [1, 1, 1, 1, 2]
    """
    if output_stride not in (8, 16, 32):
        raise BadValue(f"output_stride={output_stride}; 8, 16 or 32 is required")
    steps, total, dilation = [], 1, 1
    for stride in strides:
        if total * stride > output_stride:
            steps.append(Step(1, dilation, total))
            dilation *= stride
        else:
            total *= stride
            steps.append(Step(stride, dilation, total))
    return steps
