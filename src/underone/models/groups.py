"""The networks made of inverted residuals, as tables of their blocks. Imports no torch."""

from typing import NamedTuple


class Group(NamedTuple):
    """Blocks of one shape; the stride is that of the first of them."""

    expand_ratio: int
    channels: int
    repeats: int
    stride: int
    kernel_size: int = 3


# Sandler et al. (arXiv 1801.04381), table 2
MOBILENET_V2 = (
    Group(1, 16, 1, 1),
    Group(6, 24, 2, 2),
    Group(6, 32, 3, 2),
    Group(6, 64, 4, 2),
    Group(6, 96, 3, 1),
    Group(6, 160, 3, 2),
    Group(6, 320, 1, 1),
)

# tensorflow/tpu, models/official/efficientnet/lite: no squeeze and excitation, ReLU6
EFFICIENTNET_LITE0 = (
    Group(1, 16, 1, 1),
    Group(6, 24, 2, 2),
    Group(6, 40, 2, 2, kernel_size=5),
    Group(6, 80, 3, 2),
    Group(6, 112, 3, 1, kernel_size=5),
    Group(6, 192, 4, 2, kernel_size=5),
    Group(6, 320, 1, 1),
)
