"""A network of 30 layers for the studies of activations and blocks. The layout is our own: the paper prints none.

Nobody else's figure can be compared with one of this network, but for the order of its variants.
"""

from torch import Tensor, nn

from ...nn.conv_norm_act import ConvNormAct
from ...nn.mobileone_block import MobileOneBlock
from .activations import ACTIVATIONS

STEM = 32  # channels at 112 x 112
CHANNELS = (32, 64, 128, 256)  # of the stages; each halves the picture
DEPTHS = {10: (2, 2, 3, 2), 20: (5, 5, 5, 4), 30: (7, 7, 8, 7), 40: (9, 10, 10, 10)}  # layers of the stages, and a stem


class Added(nn.Module):
    """A layer whose input is added to its output."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        y: Tensor = x + self.layer(x)
        return y


class ThirtyLayers(nn.Module):
    """30 dense 3x3 convolutions, each with an activation, then the mean and a classifier for 1000 classes.

    Args:
        activation: a key of `ACTIVATIONS`.
        branches: 0: convolution and batch norm; more: as many parallel ones, a 1x1 and the input, as in MobileOne.
        skips: whether the input of a layer is added where the shape stays.
        depth: layers in all, a key of `DEPTHS`.
    """

    def __init__(self, activation: str = "relu", *, branches: int = 0, skips: bool = False, depth: int = 30) -> None:
        super().__init__()
        make = ACTIVATIONS[activation]

        def layer(inputs: int, outputs: int, stride: int) -> nn.Module:
            def act() -> nn.Module:
                return make(outputs)

            if branches:
                return MobileOneBlock(inputs, outputs, 3, stride=stride, num_branches=branches, activation=act)
            return ConvNormAct(inputs, outputs, 3, stride=stride, activation=act)

        layers, channels = [layer(3, STEM, 2)], STEM
        for outputs, count in zip(CHANNELS, DEPTHS[depth], strict=True):
            for i in range(count):
                one = layer(channels, outputs, 1 if i else 2)
                layers.append(Added(one) if skips and i else one)
                channels = outputs
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, 1000)."""
        y: Tensor = self.classifier(self.layers(x).mean((2, 3)))
        return y
