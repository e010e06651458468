"""MobileNet V2, after Sandler et al. (arXiv 1801.04381), with the rules of every source that published weights."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal

from torch import Tensor, nn

from ..errors import BadValue
from ..nn.conv import Padding
from ..nn.inverted_residual import InvertedResidual
from .feature import Feature, choose, needed_blocks
from .forms import FORMS, check_form, initialize
from .groups import MOBILENET_V2, Group
from .strides import Step, limit_stride

STEM = 32
LAST = 1280


def round_to_8(channels: float) -> int:
    """Round to a multiple of 8, but not below 90 % of what was asked.

    >>> round_to_8(24 * 0.75), round_to_8(11.2)
    (24, 16)
    """
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


# How a scaled width becomes a number of channels
ROUNDING: dict[str, Callable[[float], int]] = {
    "to_8": round_to_8,  # slim, torchvision, timm
    "int_to_8": lambda channels: round_to_8(int(channels)),  # Keras truncates first
    "none": lambda channels: max(1, round(channels)),  # DeepLab's narrow checkpoints: divisible by 1
}

# Channels of the last 1x1 convolution
LAST_RULE: dict[str, Callable[[float, Callable[[float], int]], int]] = {
    "at_least_1280": lambda width, rounded: rounded(LAST * max(1.0, width)),  # all classifiers
    "scaled": lambda width, rounded: rounded(LAST * width),  # backbones of TensorFlow's detectors
}


class MobileNetV2(nn.Module):
    """The MobileNet V2 backbone.

    Args:
        width: channel multiplier, any positive number.
        in_chans: channels of the image.
        output_stride: 8, 16 or 32; below 32 the last blocks are dilated.
        features: names of the wanted maps: ``stem``, ``block0`` … ``block16``, ``last``, and the wide maps before and
            after the depthwise convolutions, ``block1.expand`` … ``block16.expand`` and ``block0.depthwise`` …
            ``block16.depthwise``. What comes later is not built.
        form: ``training`` or ``folded``.
        padding: ``symmetric`` (PyTorch), ``tf_same`` (also what Keras computes for V2), or ``keras``.
        bn_eps: 1e-5 in PyTorch, 1e-3 in TensorFlow and Keras.
        rounding: a key of `ROUNDING`.
        last_rule: a key of `LAST_RULE`.
        channels: of the stem, of each block and of the last convolution, for networks that follow no rule; None: by
            `width` and the rules.
        groups: the blocks.

    Attributes:
        features: the wanted maps, in the order of the network.

    Raises:
        BadValue: a width, form, rule or output stride that does not exist, or another number of channels.
        UnknownName: an unknown feature.
    """

    def __init__(
        self,
        width: float = 1.0,
        *,
        in_chans: int = 3,
        output_stride: int = 32,
        features: Iterable[str] = ("last",),
        form: Literal["training", "folded"] = "training",
        padding: Padding = "symmetric",
        bn_eps: float = 1e-5,
        rounding: str = "to_8",
        last_rule: str = "at_least_1280",
        channels: Sequence[int] | None = None,
        groups: Sequence[Group] = MOBILENET_V2,
    ) -> None:
        super().__init__()
        check_form(width, form, channels, 2 + sum(group.repeats for group in groups))
        _check_rules(rounding, last_rule)
        self.padding = padding
        self.bn_eps = bn_eps
        make = partial(FORMS[form], padding=padding, bn_eps=bn_eps)
        rows = [g._replace(stride=g.stride if i == 0 else 1) for g in groups for i in range(g.repeats)]
        stem, *outs, last = channels or _channels(width, rows, rounding, last_rule)
        steps = limit_stride([2, *(row.stride for row in rows)], output_stride)
        available = _available(stem, rows, outs, steps, last)
        self.features = choose(available, features)
        built = needed_blocks(available, self.features)

        self.stem = make(in_chans, stem, 3, stride=2)
        self.blocks = nn.ModuleList()
        before = stem
        for index, (row, out, step) in enumerate(zip(rows, outs, steps[1:], strict=True)):
            if f"block{index}" in built:
                shape = {"kernel_size": row.kernel_size, "stride": step.stride, "dilation": step.dilation}
                self.blocks.append(InvertedResidual(before, out, row.expand_ratio, make, **shape))
            before = out
        self.last = make(before, last, 1) if "last" in built else None
        initialize(self)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map an image (N, in_chans, H, W) to the wanted feature maps by name."""
        wanted = {feature.name for feature in self.features}
        x = self.stem(image)
        maps = {"stem": x} if "stem" in wanted else {}
        for index, block in enumerate(self.blocks):
            x, wide, filtered = block(x)
            found = {f"block{index}.expand": wide, f"block{index}.depthwise": filtered, f"block{index}": x}
            maps |= {name: value for name, value in found.items() if name in wanted}
        if self.last is not None:
            maps["last"] = self.last(x)
        return maps


def _check_rules(rounding: str, last_rule: str) -> None:
    for name, value, table in (("rounding", rounding, ROUNDING), ("last_rule", last_rule, LAST_RULE)):
        if value not in table:
            raise BadValue(f"{name}={value!r}; one of {', '.join(map(repr, table))} is required")


def _channels(width: float, rows: Sequence[Group], rounding: str, last_rule: str) -> list[int]:
    """Return the channels of the stem, of each block and of the last convolution."""
    rounded = ROUNDING[rounding]
    blocks = [rounded(row.channels * width) for row in rows]
    return [rounded(STEM * width), *blocks, LAST_RULE[last_rule](width, rounded)]


def _available(
    stem: int, rows: Sequence[Group], outs: Sequence[int], steps: Sequence[Step], last: int
) -> list[Feature]:
    found = [Feature("stem", stem, steps[0].total)]
    for index, (row, out, step) in enumerate(zip(rows, outs, steps[1:], strict=True)):
        before, wide = found[-1], found[-1].channels * row.expand_ratio
        if row.expand_ratio > 1:
            found.append(Feature(f"block{index}.expand", wide, before.stride))
        found.append(Feature(f"block{index}.depthwise", wide, step.total))
        found.append(Feature(f"block{index}", out, step.total))
    return [*found, Feature("last", last, found[-1].stride)]
