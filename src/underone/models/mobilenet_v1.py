"""MobileNet V1, after Howard et al. (arXiv 1704.04861), with the rules of every source that published weights."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal

from torch import Tensor, nn

from ..nn.conv import Padding
from ..nn.separable import SeparableConv
from .feature import Feature, choose, needed_blocks
from .forms import FORMS, check_form, initialize
from .strides import Step, limit_stride

STEM = 32
# channels, stride: the paper's table 1
BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)


def scaled(channels: int, width: float, min_depth: int = 8) -> int:
    """Scale a number of channels as TensorFlow and Keras do for V1: cut off, no multiple of 8.

    >>> scaled(1024, 0.33), scaled(32, 0.2)
    (337, 8)
    """
    return max(int(channels * width), min_depth)


class MobileNetV1(nn.Module):
    """The MobileNet V1 backbone.

    Args:
        width: channel multiplier, any positive number.
        in_chans: channels of the image.
        output_stride: 8, 16 or 32; below 32 the last blocks are dilated.
        features: names of the wanted maps: ``stem``, ``block0`` … ``block12``, and ``block0.depthwise`` …
            ``block12.depthwise`` between the two convolutions of a block. TensorFlow counts the blocks from 1. What
            comes later is not built.
        form: ``training`` or ``folded``.
        padding: ``symmetric`` (PyTorch, Caffe), ``tf_same``, or ``keras``: as in Keras, whose blocks with a stride pad
            below and right only, whereas its stem follows ``tf_same``.
        bn_eps: 1e-3 in TensorFlow and Keras, 1e-5 in PyTorch and Caffe.
        min_depth: no layer is narrower: 8 in TensorFlow's classifiers, 16 in its detectors.
        channels: of the stem and the 13 blocks, for networks that follow no rule; None: by `width`.

    Attributes:
        features: the wanted maps, in the order of the network.

    Raises:
        BadValue: a width, form or output stride that does not exist, or another number of channels.
        UnknownName: an unknown feature.
    """

    def __init__(
        self,
        width: float = 1.0,
        *,
        in_chans: int = 3,
        output_stride: int = 32,
        features: Iterable[str] = ("block12",),
        form: Literal["training", "folded"] = "training",
        padding: Padding = "symmetric",
        bn_eps: float = 1e-5,
        min_depth: int = 8,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        check_form(width, form, channels, 1 + len(BLOCKS))
        self.padding = padding
        self.bn_eps = bn_eps
        make = partial(FORMS[form], padding=padding, bn_eps=bn_eps)
        stem, *outs = channels or [scaled(c, width, min_depth) for c in (STEM, *(c for c, _ in BLOCKS))]
        steps = limit_stride([2, *(stride for _, stride in BLOCKS)], output_stride)
        available = _available(stem, outs, steps)
        self.features = choose(available, features)
        built = needed_blocks(available, self.features)

        self.stem = make(in_chans, stem, 3, stride=2, padding="tf_same" if padding == "keras" else padding)
        self.blocks = nn.ModuleList()
        before = stem
        for index, (out, step) in enumerate(zip(outs, steps[1:], strict=True)):
            if f"block{index}" in built:
                self.blocks.append(SeparableConv(before, out, make, stride=step.stride, dilation=step.dilation))
            before = out
        initialize(self)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map an image (N, in_chans, H, W) to the wanted feature maps by name."""
        wanted = {feature.name for feature in self.features}
        x = self.stem(image)
        maps = {"stem": x} if "stem" in wanted else {}
        for index, block in enumerate(self.blocks):
            x, filtered = block(x)
            found = {f"block{index}.depthwise": filtered, f"block{index}": x}
            maps |= {name: value for name, value in found.items() if name in wanted}
        return maps


def _available(stem: int, outs: Sequence[int], steps: Sequence[Step]) -> list[Feature]:
    found = [Feature("stem", stem, steps[0].total)]
    for index, (out, step) in enumerate(zip(outs, steps[1:], strict=True)):
        found.append(Feature(f"block{index}.depthwise", found[-1].channels, step.total))
        found.append(Feature(f"block{index}", out, step.total))
    return found
