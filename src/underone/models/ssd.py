"""The single-shot detector: two maps of a backbone, four smaller ones behind them, and two heads on each."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import BadValue
from ..nn.conv import conv2d

EXTRAS = (512, 256, 256, 128)  # channels of the maps behind the backbone, each half as wide as the one before
Kind = Literal["dense", "separable"]


class SSD(nn.Module):
    """Box codes and class outputs for every anchor of six feature maps.

    Args:
        backbone: gives two feature maps by name and lists them as `features`.
        anchors: of one cell of each map, the backbone's first.
        classes: outputs for one anchor, with the one for "no object" where there is one.
        make: makes a conv-norm-activation block, for example `ConvNormAct`, with the padding and epsilon wanted.
        extras: ``separable``: the strided 3x3 convolutions of the smaller maps are a depthwise and a pointwise one.
        heads: ``separable``: depthwise 3x3, then 1x1 (SSDLite); ``dense``: one convolution.
        kernel_size: of dense heads; 1 in TensorFlow's SSD on MobileNet V1, else 3.

    Raises:
        BadValue: the numbers of anchors are not six, or the backbone does not give two maps.

    Source: Liu et al. (arXiv 1512.02325); SSDLite: Sandler et al. (arXiv 1801.04381), section 6.2; the widths are those
    of tensorflow/models, object_detection/models/feature_map_generators.py.
    """

    def __init__(
        self,
        backbone: nn.Module,
        anchors: Sequence[int],
        classes: int,
        make: Callable[..., nn.Module],
        *,
        extras: Kind = "separable",
        heads: Kind = "separable",
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        taps = [feature.channels for feature in backbone.features]  # type: ignore[union-attr]
        if len(taps) != 2 or len(anchors) != len(taps) + len(EXTRAS):
            raise BadValue(
                f"{len(taps)} feature maps and anchors for {len(anchors)}; 2 maps and {2 + len(EXTRAS)} are required"
            )
        widths = (*taps, *EXTRAS)
        head = _separable_head if heads == "separable" else _dense_head
        self.backbone = backbone
        self.extras = nn.ModuleList(
            _extra(before, width, make, extras) for before, width in zip(widths[1:], EXTRAS, strict=False)
        )
        self.box_heads = nn.ModuleList(
            head(width, 4 * count, make, kernel_size) for width, count in zip(widths, anchors, strict=True)
        )
        self.class_heads = nn.ModuleList(
            head(width, classes * count, make, kernel_size) for width, count in zip(widths, anchors, strict=True)
        )
        self._classes = classes
        _initialize([self.extras, self.box_heads, self.class_heads])

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map an image (N, C, H, W) to ``box_codes`` (N, anchors, 4) and ``logits`` (N, anchors, classes).

        The rows of both are in the order of map, row, column, anchor.
        """
        maps = list(self.backbone(image).values())
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return {
            "box_codes": _rows(self.box_heads, maps, 4),
            "logits": _rows(self.class_heads, maps, self._classes),
        }


def _rows(heads: Iterable[nn.Module], maps: Iterable[Tensor], length: int) -> Tensor:
    """Give one row for each anchor: (N, anchors, length)."""
    outputs = [head(x) for head, x in zip(heads, maps, strict=True)]  # each (N, anchors of a cell * length, h, w)
    rows = [y.permute(0, 2, 3, 1).reshape(y.shape[0], -1, length) for y in outputs]
    return torch.cat(rows, 1)


def _extra(before: int, width: int, make: Callable[..., nn.Module], kind: Kind) -> nn.Sequential:
    """Make a map of half the size: narrow it, then filter with stride 2."""
    middle = width // 2
    if kind == "dense":
        return nn.Sequential(make(before, middle, 1), make(middle, width, 3, stride=2))
    return nn.Sequential(
        make(before, middle, 1), make(middle, middle, 3, stride=2, groups=middle), make(middle, width, 1)
    )


def _separable_head(width: int, outputs: int, make: Callable[..., nn.Module], _: int) -> nn.Sequential:
    return nn.Sequential(make(width, width, 3, groups=width), nn.Conv2d(width, outputs, 1))


def _dense_head(width: int, outputs: int, _: Callable[..., nn.Module], kernel_size: int) -> nn.Sequential:
    return nn.Sequential(conv2d(width, outputs, kernel_size, bias=True))


def _initialize(parts: Iterable[nn.Module]) -> None:
    """Give the new layers small weights, as torchvision's SSDLite and TensorFlow's do."""
    for module in (module for part in parts for module in part.modules()):
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.03)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
