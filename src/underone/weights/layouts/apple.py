"""Apple's names: apple/ml-mobileone, `mobileone.py`."""

from ...spec import IMAGENET_PREPARATION
from ..layout import Layout
from ..rename import Rule

MOBILEONE = (
    Rule("stage0.rbr_conv.{j}.{layer}.{tensor}", "backbone.stem.branches.{j}.{layer}.{tensor}"),
    Rule("stage0.rbr_scale.{layer}.{tensor}", "backbone.stem.scale.{layer}.{tensor}"),
    Rule("stage{n+1}.{i}.rbr_conv.{j}.{layer}.{tensor}", "backbone.stages.{n}.{i}.branches.{j}.{layer}.{tensor}"),
    Rule("stage{n+1}.{i}.rbr_scale.{layer}.{tensor}", "backbone.stages.{n}.{i}.scale.{layer}.{tensor}"),
    Rule("stage{n+1}.{i}.rbr_skip.{tensor}", "backbone.stages.{n}.{i}.skip.{tensor}"),
    Rule("stage{n+1}.{i}.se.{layer}.{tensor}", "backbone.stages.{n}.{i}.se.{layer}.{tensor}", needed=False),  # S4
    Rule("linear.{tensor}", "head.{tensor}", needed=False),
)
MOBILEONE_FOLDED = (
    Rule("stage0.reparam_conv.{tensor}", "backbone.stem.conv.{tensor}"),
    Rule("stage{n+1}.{i}.reparam_conv.{tensor}", "backbone.stages.{n}.{i}.conv.{tensor}"),
    Rule("stage{n+1}.{i}.se.{layer}.{tensor}", "backbone.stages.{n}.{i}.se.{layer}.{tensor}", needed=False),
    Rule("linear.{tensor}", "head.{tensor}", needed=False),
)

LAYOUTS = (
    Layout(
        "Apple", "mobileone", "training", ("stage0.rbr_conv.0.conv.weight",), MOBILEONE,
        preparation=IMAGENET_PREPARATION,
    ),
    Layout(
        "Apple", "mobileone", "folded", ("stage0.reparam_conv.weight",), MOBILEONE_FOLDED,
        preparation=IMAGENET_PREPARATION,
    ),
)  # fmt: skip
