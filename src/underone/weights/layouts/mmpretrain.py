"""mmpretrain's names: `mobileone.py` (by reading, without its weights at hand)."""

from ...spec import IMAGENET_PREPARATION
from ..layout import Layout
from ..rename import Rule

_MM_STAGE, _STAGE = "backbone.stage{n+1}.{i}", "backbone.stages.{n}.{i}"
MOBILEONE = (
    Rule("backbone.stage0.branch_conv_list.{j}.conv.{tensor}", "backbone.stem.branches.{j}.conv.{tensor}"),
    Rule("backbone.stage0.branch_conv_list.{j}.norm.{tensor}", "backbone.stem.branches.{j}.bn.{tensor}"),
    Rule("backbone.stage0.branch_scale.conv.{tensor}", "backbone.stem.scale.conv.{tensor}"),
    Rule("backbone.stage0.branch_scale.norm.{tensor}", "backbone.stem.scale.bn.{tensor}"),
    Rule(_MM_STAGE + ".branch_conv_list.{j}.conv.{tensor}", _STAGE + ".branches.{j}.conv.{tensor}"),
    Rule(_MM_STAGE + ".branch_conv_list.{j}.norm.{tensor}", _STAGE + ".branches.{j}.bn.{tensor}"),
    Rule(_MM_STAGE + ".branch_scale.conv.{tensor}", _STAGE + ".scale.conv.{tensor}"),
    Rule(_MM_STAGE + ".branch_scale.norm.{tensor}", _STAGE + ".scale.bn.{tensor}"),
    Rule(_MM_STAGE + ".branch_norm.{tensor}", _STAGE + ".skip.{tensor}"),
    Rule(_MM_STAGE + ".se.conv1.conv.{tensor}", _STAGE + ".se.reduce.{tensor}", needed=False),
    Rule(_MM_STAGE + ".se.conv2.conv.{tensor}", _STAGE + ".se.expand.{tensor}", needed=False),
    Rule("head.fc.{tensor}", "head.{tensor}", needed=False),
)
MOBILEONE_FOLDED = (
    Rule("backbone.stage0.branch_reparam.{tensor}", "backbone.stem.conv.{tensor}"),
    Rule(_MM_STAGE + ".branch_reparam.{tensor}", _STAGE + ".conv.{tensor}"),
    Rule(_MM_STAGE + ".se.conv1.conv.{tensor}", _STAGE + ".se.reduce.{tensor}", needed=False),
    Rule(_MM_STAGE + ".se.conv2.conv.{tensor}", _STAGE + ".se.expand.{tensor}", needed=False),
    Rule("head.fc.{tensor}", "head.{tensor}", needed=False),
)

LAYOUTS = (
    Layout(
        "mmpretrain", "mobileone", "training", ("backbone.stage0.branch_conv_list.0.conv.weight",), MOBILEONE,
        preparation=IMAGENET_PREPARATION,
    ),
    Layout(
        "mmpretrain", "mobileone", "folded", ("backbone.stage0.branch_reparam.weight",), MOBILEONE_FOLDED,
        preparation=IMAGENET_PREPARATION,
    ),
)  # fmt: skip
