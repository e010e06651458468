"""MobileNeXt: sandglass blocks, wide ends and a narrow middle.

Source: Zhou et al. (arXiv 2007.02269), table 3; which blocks have no windows is that of their code.
"""

import torch
from torch import Tensor, nn

from ...models.mobilenet_v2 import round_to_8
from ...nn.conv_norm_act import ConvNormAct

GROUPS = (  # reduction t, channels, blocks, stride of the first
    (2, 96, 1, 2),
    (6, 144, 1, 1),
    (6, 192, 3, 2),
    (6, 288, 3, 2),
    (6, 384, 4, 1),
    (6, 576, 4, 2),
    (6, 960, 3, 1),
    (6, 1280, 1, 1),
)


class Sandglass(nn.Module):
    """Depthwise 3x3, reduce, expand, depthwise 3x3; the input is added where the shape stays.

    Args:
        in_channels: channels I.
        out_channels: channels O.
        stride: of the last depthwise convolution.
        reduction: the middle has I / reduction channels, a sixth of O at the least.
        windows: whether the first depthwise convolution stands where the number of channels changes.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, reduction: int, windows: bool) -> None:
        super().__init__()
        middle = in_channels // reduction
        if middle < out_channels / 6:
            middle = 2 * round_to_8(out_channels / 12)  # a multiple of 16
        keeps = in_channels == out_channels
        layers: list[nn.Module] = []
        if keeps or windows:
            layers.append(ConvNormAct(in_channels, in_channels, 3, groups=in_channels))
        layers.append(ConvNormAct(in_channels, middle, 1, activation=nn.Identity))
        layers.append(ConvNormAct(middle, out_channels, 1))
        if keeps or windows or stride == 2:
            last = ConvNormAct(
                out_channels, out_channels, 3, stride=stride, groups=out_channels, activation=nn.Identity
            )
            layers.append(last)
        self.layers = nn.Sequential(*layers)
        self.adds = keeps and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, ceil(H / stride), ceil(W / stride))."""
        y: Tensor = self.layers(x)
        return x + y if self.adds else y


class MobileNeXt(nn.Module):
    """The classifier for 1000 classes.

    Args:
        width: multiplies every number of channels; results are multiples of 8.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = round_to_8(32 * width)
        layers: list[nn.Module] = [ConvNormAct(3, channels, 3, stride=2)]
        for reduction, wanted, blocks, stride in GROUPS:
            out = round_to_8(wanted * width)
            for i in range(blocks):
                windows = i == 0 and (reduction == 2 or (blocks == 1 and stride == 1))
                layers.append(Sandglass(channels, out, stride if i == 0 else 1, reduction, windows))
                channels = out
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, 1000)."""
        y: Tensor = self.classifier(torch.mean(self.layers(x), (2, 3)))
        return y
