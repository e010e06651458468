"""torchvision's names: `mobilenetv2.py`."""

from ...spec import IMAGENET_PREPARATION
from ..layout import Layout
from ..rename import Rule

MOBILENET_V2 = (
    Rule("features.0.0.{tensor}", "backbone.stem.conv.{tensor}"),
    Rule("features.0.1.{tensor}", "backbone.stem.bn.{tensor}"),
    # the first block expands nothing, so its layers stand one place earlier than in the others
    Rule("features.1.conv.0.0.{tensor}", "backbone.blocks.0.depthwise.conv.{tensor}"),
    Rule("features.1.conv.0.1.{tensor}", "backbone.blocks.0.depthwise.bn.{tensor}"),
    Rule("features.1.conv.1.{tensor}", "backbone.blocks.0.project.conv.{tensor}"),
    Rule("features.1.conv.2.{tensor}", "backbone.blocks.0.project.bn.{tensor}"),
    Rule("features.{i+2}.conv.0.0.{tensor}", "backbone.blocks.{i+1}.expand.conv.{tensor}"),
    Rule("features.{i+2}.conv.0.1.{tensor}", "backbone.blocks.{i+1}.expand.bn.{tensor}"),
    Rule("features.{i+2}.conv.1.0.{tensor}", "backbone.blocks.{i+1}.depthwise.conv.{tensor}"),
    Rule("features.{i+2}.conv.1.1.{tensor}", "backbone.blocks.{i+1}.depthwise.bn.{tensor}"),
    Rule("features.{i+2}.conv.2.{tensor}", "backbone.blocks.{i+1}.project.conv.{tensor}"),
    Rule("features.{i+2}.conv.3.{tensor}", "backbone.blocks.{i+1}.project.bn.{tensor}"),
    Rule("features.18.0.{tensor}", "backbone.last.conv.{tensor}"),
    Rule("features.18.1.{tensor}", "backbone.last.bn.{tensor}"),
    Rule("classifier.1.{tensor}", "head.{tensor}", needed=False),
)

LAYOUTS = (
    Layout(
        "torchvision", "mobilenet_v2", "training", ("features.0.0.weight", "features.18.0.weight"), MOBILENET_V2,
        preparation=IMAGENET_PREPARATION,
    ),
)  # fmt: skip
