"""timm's names: `byobnet.py` and `efficientnet.py`."""

from collections.abc import Sequence

from ...spec import IMAGENET_PREPARATION, Preparation
from ..layout import Layout
from ..rename import Rule

MOBILEONE = (
    Rule("stem.conv_kxk.{j}.{layer}.{tensor}", "backbone.stem.branches.{j}.{layer}.{tensor}"),
    Rule("stem.conv_scale.{layer}.{tensor}", "backbone.stem.scale.{layer}.{tensor}"),
    Rule("stages.{n}.{i}.conv_kxk.{j}.{layer}.{tensor}", "backbone.stages.{n}.{i}.branches.{j}.{layer}.{tensor}"),
    Rule("stages.{n}.{i}.conv_scale.{layer}.{tensor}", "backbone.stages.{n}.{i}.scale.{layer}.{tensor}"),
    Rule("stages.{n}.{i}.identity.{tensor}", "backbone.stages.{n}.{i}.skip.{tensor}"),
    Rule("stages.{n}.{i}.attn.fc1.{tensor}", "backbone.stages.{n}.{i}.se.reduce.{tensor}", needed=False),
    Rule("stages.{n}.{i}.attn.fc2.{tensor}", "backbone.stages.{n}.{i}.se.expand.{tensor}", needed=False),
    Rule("head.fc.{tensor}", "head.{tensor}", needed=False),
)
MOBILEONE_FOLDED = (
    Rule("stem.reparam_conv.{tensor}", "backbone.stem.conv.{tensor}"),
    Rule("stages.{n}.{i}.reparam_conv.{tensor}", "backbone.stages.{n}.{i}.conv.{tensor}"),
    Rule("stages.{n}.{i}.attn.fc1.{tensor}", "backbone.stages.{n}.{i}.se.reduce.{tensor}", needed=False),
    Rule("stages.{n}.{i}.attn.fc2.{tensor}", "backbone.stages.{n}.{i}.se.expand.{tensor}", needed=False),
    Rule("head.fc.{tensor}", "head.{tensor}", needed=False),
)

_OUTSIDE = (
    Rule("conv_stem.{tensor}", "backbone.stem.conv.{tensor}"),
    Rule("bn1.{tensor}", "backbone.stem.bn.{tensor}"),
    Rule("classifier.{tensor}", "head.{tensor}", needed=False),
)


def _blocks(repeats: Sequence[int], layers: Sequence[tuple[str, str]], first: int) -> tuple[Rule, ...]:
    """Name the blocks, which timm counts within each stage, by our running number from `first` on."""
    places = [f"{stage}.{i}" for stage, count in enumerate(repeats) for i in range(count)]
    return tuple(
        Rule(f"blocks.{place}.{theirs}.{{tensor}}", f"backbone.blocks.{number}.{ours}.{{tensor}}")
        for number, place in enumerate(places[first:], start=first)
        for theirs, ours in layers
    )


_SEPARABLE = (
    ("conv_dw", "depthwise.conv"),
    ("bn1", "depthwise.bn"),
    ("conv_pw", "pointwise.conv"),
    ("bn2", "pointwise.bn"),
)
_INVERTED = (
    ("conv_pw", "expand.conv"),
    ("bn1", "expand.bn"),
    ("conv_dw", "depthwise.conv"),
    ("bn2", "depthwise.bn"),
    ("conv_pwl", "project.conv"),
    ("bn3", "project.bn"),
)

MOBILENET_V1 = (*_OUTSIDE, *_blocks((1, 2, 2, 6, 2), _SEPARABLE, first=0))
MOBILENET_V2 = (
    *_OUTSIDE,
    Rule("blocks.0.0.conv_dw.{tensor}", "backbone.blocks.0.depthwise.conv.{tensor}"),
    Rule("blocks.0.0.bn1.{tensor}", "backbone.blocks.0.depthwise.bn.{tensor}"),
    Rule("blocks.0.0.conv_pw.{tensor}", "backbone.blocks.0.project.conv.{tensor}"),
    Rule("blocks.0.0.bn2.{tensor}", "backbone.blocks.0.project.bn.{tensor}"),
    *_blocks((1, 2, 3, 4, 3, 3, 1), _INVERTED, first=1),
    Rule("conv_head.{tensor}", "backbone.last.conv.{tensor}"),
    Rule("bn2.{tensor}", "backbone.last.bn.{tensor}"),
)

_BICUBIC = IMAGENET_PREPARATION.model_copy(update={"interpolation": "bicubic"})

LAYOUTS = (
    Layout(
        "timm", "mobileone", "training", ("stem.conv_kxk.0.conv.weight",), MOBILEONE,
        preparation=IMAGENET_PREPARATION,
    ),
    Layout(
        "timm", "mobileone", "folded", ("stem.reparam_conv.weight",), MOBILEONE_FOLDED,
        preparation=IMAGENET_PREPARATION,
    ),
    Layout(
        "timm", "mobilenet_v1", "training", ("conv_stem.weight", "blocks.3.5.conv_dw.weight"), MOBILENET_V1,
        preparation=Preparation(mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic"),
    ),
    Layout(
        "timm", "mobilenet_v2", "training", ("conv_stem.weight", "blocks.3.3.conv_pwl.weight"), MOBILENET_V2,
        preparation=_BICUBIC,
    ),
)  # fmt: skip
