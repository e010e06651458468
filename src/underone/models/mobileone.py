"""MobileOne, after Vasu et al. (arXiv 2206.04040), exactly as the released weights have it.

The released networks differ from the paper's table 7: the stem is one dense 3x3 block with one branch and at most 64
channels, and the paper's stages 4 and 5 are one stage of ten blocks.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal

from torch import Tensor, nn

from ..errors import BadValue, UnknownName
from ..nn.families import FAMILIES
from ..nn.mobileone_block import folded_mobileone_block
from .feature import Feature, choose
from .strides import Step, limit_stride

# Blocks per stage: each is a depthwise and a pointwise MobileOne block
DEPTHS = (2, 8, 10, 1)
CHANNELS = (64, 128, 256, 512)

FORMS = ("training", "folded")


class MobileOne(nn.Module):
    """The MobileOne backbone.

    Args:
        widths: channel multiplier of each of the four stages.
        block: family of the blocks in the training form, a name of `FAMILIES`; all fold into the same network.
        num_branches: the paper's k, in the stages; the stem has 1. Only ``mobileone`` blocks have it.
        se_blocks: number of blocks with squeeze and excitation, at the end of each stage.
        in_chans: channels of the image.
        output_stride: 8, 16 or 32; below 32 the last stages are dilated.
        features: names of the wanted maps: ``stem``, ``stage1`` … ``stage4``. What comes later is not built.
        form: ``training`` or ``folded``.
        activation: makes the activations.

    Attributes:
        features: the wanted maps, in the order of the network.

    Raises:
        BadValue: an unknown form or output stride.
        UnknownName: an unknown feature or block.
    """

    padding = "symmetric"
    bn_eps = 1e-5

    def __init__(
        self,
        widths: Sequence[float],
        *,
        block: str = "mobileone",
        num_branches: int = 1,
        se_blocks: Sequence[int] = (0, 0, 0, 0),
        in_chans: int = 3,
        output_stride: int = 32,
        features: Iterable[str] = ("stage4",),
        form: Literal["training", "folded"] = "training",
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        make = partial(_maker(block, form), activation=activation)
        stem = min(CHANNELS[0], int(CHANNELS[0] * widths[0]))
        outs = [int(c * w) for c, w in zip(CHANNELS, widths, strict=True)]
        steps = limit_stride([stride for depth in (1, *DEPTHS) for stride in [2] + [1] * (depth - 1)], output_stride)
        self.features = choose(_available(stem, outs, steps), features)

        self.stem = make(in_chans, stem, 3, stride=2)
        self.stages = nn.ModuleList()
        make_stage = partial(make, num_branches=num_branches) if block == "mobileone" else make
        taken = 1
        for number, (depth, out, with_se) in enumerate(zip(DEPTHS, outs, se_blocks, strict=True), 1):
            if self._last_stage < number:
                break
            before = stem if number == 1 else outs[number - 2]
            self.stages.append(_stage(make_stage, before, out, steps[taken : taken + depth], with_se))
            taken += depth

    @property
    def _last_stage(self) -> int:
        return int(self.features[-1].name.removeprefix("stage").replace("stem", "0"))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map an image (N, in_chans, H, W) to the wanted feature maps by name."""
        x = self.stem(image)
        maps = {"stem": x}
        for number, stage in enumerate(self.stages, 1):
            x = stage(x)
            maps[f"stage{number}"] = x
        return {feature.name: maps[feature.name] for feature in self.features}


def _maker(block: str, form: str) -> Callable[..., nn.Module]:
    if form not in FORMS:
        raise BadValue(f"form={form!r}; 'training' or 'folded' is required")
    if block not in FAMILIES:
        raise UnknownName("block", block, FAMILIES)
    return FAMILIES[block] if form == "training" else folded_mobileone_block


def _available(stem: int, outs: Sequence[int], steps: Sequence[Step]) -> list[Feature]:
    ends = [sum(DEPTHS[: number + 1]) for number in range(len(DEPTHS))]
    stages = [
        Feature(f"stage{n}", out, steps[end].total) for n, (out, end) in enumerate(zip(outs, ends, strict=True), 1)
    ]
    return [Feature("stem", stem, steps[0].total), *stages]


def _stage(
    make: Callable[..., nn.Module], in_channels: int, out_channels: int, steps: Sequence[Step], with_se: int
) -> nn.Sequential:
    blocks: list[nn.Module] = []
    for index, step in enumerate(steps):
        se = index >= len(steps) - with_se
        before = out_channels if index else in_channels
        blocks += [
            make(before, before, 3, stride=step.stride, dilation=step.dilation, groups=before, use_se=se),
            make(before, out_channels, 1, use_se=se),
        ]
    if getattr(blocks[0], "skip", None) is not None:  # it lost its stride, and trained weights have no skip there
        blocks[0].skip = None  # type: ignore[assignment]
    return nn.Sequential(*blocks)
