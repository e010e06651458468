"""The key maps: how each source names the tensors of our networks. Read them with `rename`.

Sources: apple/ml-mobileone `mobileone.py`; timm `byobnet.py` and `efficientnet.py`; mmpretrain `mobileone.py` (by
reading, without its weights at hand); torchvision `mobilenetv2.py`.
"""

from .rename import Rule

APPLE_MOBILEONE = (
    Rule("stage0.rbr_conv.{j}.{layer}.{tensor}", "backbone.stem.branches.{j}.{layer}.{tensor}"),
    Rule("stage0.rbr_scale.{layer}.{tensor}", "backbone.stem.scale.{layer}.{tensor}"),
    Rule("stage{n+1}.{i}.rbr_conv.{j}.{layer}.{tensor}", "backbone.stages.{n}.{i}.branches.{j}.{layer}.{tensor}"),
    Rule("stage{n+1}.{i}.rbr_scale.{layer}.{tensor}", "backbone.stages.{n}.{i}.scale.{layer}.{tensor}"),
    Rule("stage{n+1}.{i}.rbr_skip.{tensor}", "backbone.stages.{n}.{i}.skip.{tensor}"),
    Rule("stage{n+1}.{i}.se.{layer}.{tensor}", "backbone.stages.{n}.{i}.se.{layer}.{tensor}", needed=False),  # S4
    Rule("linear.{tensor}", "head.{tensor}", needed=False),
)
APPLE_MOBILEONE_FOLDED = (
    Rule("stage0.reparam_conv.{tensor}", "backbone.stem.conv.{tensor}"),
    Rule("stage{n+1}.{i}.reparam_conv.{tensor}", "backbone.stages.{n}.{i}.conv.{tensor}"),
    Rule("stage{n+1}.{i}.se.{layer}.{tensor}", "backbone.stages.{n}.{i}.se.{layer}.{tensor}", needed=False),
    Rule("linear.{tensor}", "head.{tensor}", needed=False),
)

TIMM_MOBILEONE = (
    Rule("stem.conv_kxk.{j}.{layer}.{tensor}", "backbone.stem.branches.{j}.{layer}.{tensor}"),
    Rule("stem.conv_scale.{layer}.{tensor}", "backbone.stem.scale.{layer}.{tensor}"),
    Rule("stages.{n}.{i}.conv_kxk.{j}.{layer}.{tensor}", "backbone.stages.{n}.{i}.branches.{j}.{layer}.{tensor}"),
    Rule("stages.{n}.{i}.conv_scale.{layer}.{tensor}", "backbone.stages.{n}.{i}.scale.{layer}.{tensor}"),
    Rule("stages.{n}.{i}.identity.{tensor}", "backbone.stages.{n}.{i}.skip.{tensor}"),
    Rule("stages.{n}.{i}.attn.fc1.{tensor}", "backbone.stages.{n}.{i}.se.reduce.{tensor}", needed=False),
    Rule("stages.{n}.{i}.attn.fc2.{tensor}", "backbone.stages.{n}.{i}.se.expand.{tensor}", needed=False),
    Rule("head.fc.{tensor}", "head.{tensor}", needed=False),
)
TIMM_MOBILEONE_FOLDED = (
    Rule("stem.reparam_conv.{tensor}", "backbone.stem.conv.{tensor}"),
    Rule("stages.{n}.{i}.reparam_conv.{tensor}", "backbone.stages.{n}.{i}.conv.{tensor}"),
    Rule("stages.{n}.{i}.attn.fc1.{tensor}", "backbone.stages.{n}.{i}.se.reduce.{tensor}", needed=False),
    Rule("stages.{n}.{i}.attn.fc2.{tensor}", "backbone.stages.{n}.{i}.se.expand.{tensor}", needed=False),
    Rule("head.fc.{tensor}", "head.{tensor}", needed=False),
)

_MM_STAGE, _STAGE = "backbone.stage{n+1}.{i}", "backbone.stages.{n}.{i}"
MMPRETRAIN_MOBILEONE = (
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
MMPRETRAIN_MOBILEONE_FOLDED = (
    Rule("backbone.stage0.branch_reparam.{tensor}", "backbone.stem.conv.{tensor}"),
    Rule(_MM_STAGE + ".branch_reparam.{tensor}", _STAGE + ".conv.{tensor}"),
    Rule(_MM_STAGE + ".se.conv1.conv.{tensor}", _STAGE + ".se.reduce.{tensor}", needed=False),
    Rule(_MM_STAGE + ".se.conv2.conv.{tensor}", _STAGE + ".se.expand.{tensor}", needed=False),
    Rule("head.fc.{tensor}", "head.{tensor}", needed=False),
)

TORCHVISION_MOBILENET_V2 = (
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

# timm counts the blocks within each of seven stages; the position here is our block number, from 1 on
_TIMM_BLOCKS = (
    *("1.0", "1.1"),
    *("2.0", "2.1", "2.2"),
    *("3.0", "3.1", "3.2", "3.3"),
    *("4.0", "4.1", "4.2"),
    *("5.0", "5.1", "5.2"),
    "6.0",
)
_TIMM_LAYERS = (
    ("conv_pw", "expand.conv"),
    ("bn1", "expand.bn"),
    ("conv_dw", "depthwise.conv"),
    ("bn2", "depthwise.bn"),
    ("conv_pwl", "project.conv"),
    ("bn3", "project.bn"),
)
TIMM_MOBILENET_V2 = (
    Rule("conv_stem.{tensor}", "backbone.stem.conv.{tensor}"),
    Rule("bn1.{tensor}", "backbone.stem.bn.{tensor}"),
    Rule("blocks.0.0.conv_dw.{tensor}", "backbone.blocks.0.depthwise.conv.{tensor}"),
    Rule("blocks.0.0.bn1.{tensor}", "backbone.blocks.0.depthwise.bn.{tensor}"),
    Rule("blocks.0.0.conv_pw.{tensor}", "backbone.blocks.0.project.conv.{tensor}"),
    Rule("blocks.0.0.bn2.{tensor}", "backbone.blocks.0.project.bn.{tensor}"),
    *(
        Rule(f"blocks.{place}.{theirs}.{{tensor}}", f"backbone.blocks.{number}.{ours}.{{tensor}}")
        for number, place in enumerate(_TIMM_BLOCKS, start=1)
        for theirs, ours in _TIMM_LAYERS
    ),
    Rule("conv_head.{tensor}", "backbone.last.conv.{tensor}"),
    Rule("bn2.{tensor}", "backbone.last.bn.{tensor}"),
    Rule("classifier.{tensor}", "head.{tensor}", needed=False),
)
