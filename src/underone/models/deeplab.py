"""DeepLab v3 and v3+: a backbone with large last maps, pyramid pooling, and for v3+ a decoder that sees fine maps."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import BadValue
from ..nn.aspp import ASPP, filtered

CHANNELS = 256  # of the head
LOW_CHANNELS = 48  # of the fine map, narrowed so that it does not outweigh the pyramid's


class DeepLab(nn.Module):
    """Class outputs for every point of a map that is coarser than the picture.

    Args:
        backbone: gives feature maps by name and lists them as `features`: the last one is the pyramid's; with `decoder`
            the first one is the fine map, with `auxiliary` the one before the last is the second head's.
        classes: outputs for each point, the background counted.
        make: makes a conv-norm-activation block, for example `ConvNormAct`, with the epsilon and activation wanted.
        rates: dilations of the pyramid's 3x3 branches; () for the light head.
        decoder: v3+: the pyramid's map is enlarged to the fine map, and both are filtered together.
        separable: 3x3 convolutions of the head are a depthwise and a pointwise one.
        auxiliary: a second head, which helps to train and is not run otherwise.
        channels: of the head.
        align_corners: how maps are enlarged: the centres of the corner points stay corners (TensorFlow's DeepLab), or
            False: the borders of the maps coincide (PyTorch).

    Raises:
        BadValue: the backbone gives another number of maps.

    Source: Chen et al. (arXiv 1706.05587 and 1802.02611); tensorflow/models, research/deeplab/model.py; the auxiliary
    head is torchvision's FCNHead.
    """

    def __init__(
        self,
        backbone: nn.Module,
        classes: int,
        make: Callable[..., nn.Module],
        *,
        rates: Sequence[int] = (),
        decoder: bool = False,
        separable: bool = False,
        auxiliary: bool = False,
        channels: int = CHANNELS,
        align_corners: bool = True,
    ) -> None:
        super().__init__()
        widths = [feature.channels for feature in backbone.features]  # type: ignore[union-attr]
        if len(widths) != 1 + decoder + auxiliary:
            raise BadValue(
                f"the backbone gives {len(widths)} maps; {1 + decoder + auxiliary} are required: "
                f"the last one{', a fine one' * decoder}{', one for the auxiliary head' * auxiliary}"
            )
        self.backbone = backbone
        self.head = ASPP(widths[-1], channels, make, rates=rates, separable=separable)
        self.decoder = Decoder(widths[0], channels, make, separable, align_corners) if decoder else None
        self.classifier = nn.Conv2d(channels, classes, 1)
        self.auxiliary = _auxiliary_head(widths[-2], classes, make) if auxiliary else None
        _initialize([part for part in (self.head, self.decoder, self.classifier, self.auxiliary) if part is not None])

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map an image (N, C, H, W) to ``logits`` (N, classes, h, w).

        In training mode with an auxiliary head there is ``auxiliary`` of the same kind beside it.
        """
        maps = list(self.backbone(image).values())
        x = self.head(maps[-1])
        if self.decoder is not None:
            x = self.decoder(x, maps[0])
        outputs = {"logits": self.classifier(x)}
        if self.auxiliary is not None and self.training:
            outputs["auxiliary"] = self.auxiliary(maps[-2])
        return outputs


class Decoder(nn.Module):
    """The pyramid's map and a narrowed fine map, filtered together at the size of the latter.

    Source: Chen et al. (arXiv 1802.02611), section 3.1; the order of the channels is TensorFlow's.
    """

    def __init__(
        self, low: int, channels: int, make: Callable[..., nn.Module], separable: bool, align_corners: bool
    ) -> None:
        super().__init__()
        self.low = make(low, LOW_CHANNELS, 1)
        self.convs = nn.Sequential(
            filtered(channels + LOW_CHANNELS, channels, make, separable=separable),
            filtered(channels, channels, make, separable=separable),
        )
        self.align_corners = align_corners

    def forward(self, x: Tensor, fine: Tensor) -> Tensor:
        """Map (N, channels, h, w) and (N, low, H, W) to (N, channels, H, W)."""
        large = F.interpolate(x, size=fine.shape[2:], mode="bilinear", align_corners=self.align_corners)
        y: Tensor = self.convs(torch.cat([large, self.low(fine)], 1))
        return y


def _auxiliary_head(width: int, classes: int, make: Callable[..., nn.Module]) -> nn.Sequential:
    return nn.Sequential(make(width, width // 4, 3), nn.Dropout(0.1), nn.Conv2d(width // 4, classes, 1))


def _initialize(parts: Sequence[nn.Module]) -> None:
    """Give the new layers fresh weights; those that give the answers begin with nearly equal ones."""
    for module in (module for part in parts for module in part.modules()):
        if isinstance(module, nn.Conv2d):
            if module.bias is None:
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            else:
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)
