"""MobileNet V2, after Sandler et al. (arXiv 1801.04381), with the rules of every source that published weights."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal

from torch import Tensor, nn

from ..errors import BadValue
from ..nn.conv import Padding
from ..nn.conv_norm_act import ConvNormAct, folded_conv_act
from ..nn.inverted_residual import InvertedResidual
from .feature import Feature, choose
from .strides import Step, limit_stride

STEM = 32
# expand ratio, channels, repeats, stride of the first: the paper's table 2
GROUPS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
LAST = 1280

FORMS: dict[str, Callable[..., nn.Module]] = {"training": ConvNormAct, "folded": folded_conv_act}


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
        features: names of the wanted maps: ``stem``, ``block0`` … ``block16``, ``last``, and ``block1.expand`` …
            ``block16.expand``, the wide maps before the depthwise convolutions. What comes later is not built.
        form: ``training`` or ``folded``.
        padding: ``symmetric`` (PyTorch) or ``tf_same``.
        bn_eps: 1e-5 in PyTorch, 1e-3 in TensorFlow and Keras.
        rounding: a key of `ROUNDING`.
        last_rule: a key of `LAST_RULE`.

    Attributes:
        features: the wanted maps, in the order of the network.

    Raises:
        BadValue: a width, form, rule or output stride that does not exist.
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
    ) -> None:
        super().__init__()
        _check(width, form, rounding, last_rule)
        self.padding = padding
        self.bn_eps = bn_eps
        make = partial(FORMS[form], padding=padding, bn_eps=bn_eps)
        rounded = ROUNDING[rounding]
        stem = rounded(STEM * width)
        rows = [(t, rounded(c * width), s if i == 0 else 1) for t, c, n, s in GROUPS for i in range(n)]
        steps = limit_stride([2, *(stride for _, _, stride in rows)], output_stride)
        last = LAST_RULE[last_rule](width, rounded)
        available = _available(stem, rows, steps, last)
        self.features = choose(available, features)
        names = [feature.name for feature in available]
        built = {name.partition(".")[0] for name in names[: names.index(self.features[-1].name) + 1]}

        self.stem = make(in_chans, stem, 3, stride=2)
        self.blocks = nn.ModuleList()
        before = stem
        for index, ((ratio, out, _), step) in enumerate(zip(rows, steps[1:], strict=True)):
            if f"block{index}" in built:
                self.blocks.append(
                    InvertedResidual(before, out, ratio, make, stride=step.stride, dilation=step.dilation)
                )
            before = out
        self.last = make(before, last, 1) if "last" in built else None
        _initialize(self)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map an image (N, in_chans, H, W) to the wanted feature maps by name."""
        wanted = {feature.name for feature in self.features}
        x = self.stem(image)
        maps = {"stem": x} if "stem" in wanted else {}
        for index, block in enumerate(self.blocks):
            x, wide = block(x)
            found = {f"block{index}.expand": wide, f"block{index}": x}
            maps |= {name: value for name, value in found.items() if name in wanted}
        if self.last is not None:
            maps["last"] = self.last(x)
        return maps


def _check(width: float, form: str, rounding: str, last_rule: str) -> None:
    if not width > 0:
        raise BadValue(f"width={width}; a number above 0 is required")
    for name, value, table in (
        ("form", form, FORMS),
        ("rounding", rounding, ROUNDING),
        ("last_rule", last_rule, LAST_RULE),
    ):
        if value not in table:
            raise BadValue(f"{name}={value!r}; one of {', '.join(map(repr, table))} is required")


def _available(stem: int, rows: Sequence[tuple[int, int, int]], steps: Sequence[Step], last: int) -> list[Feature]:
    found = [Feature("stem", stem, steps[0].total)]
    for index, (ratio, out, _) in enumerate(rows):
        before = found[-1]
        if ratio > 1:
            found.append(Feature(f"block{index}.expand", before.channels * ratio, before.stride))
        found.append(Feature(f"block{index}", out, steps[index + 1].total))
    return [*found, Feature("last", last, found[-1].stride)]


def _initialize(backbone: nn.Module) -> None:
    for module in backbone.modules():  # as torchvision does
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
