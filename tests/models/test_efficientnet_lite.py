"""EfficientNet-Lite0 is MobileNet V2 with another table."""

import timm
import torch

from underone.models.build import build_model
from underone.models.table import MODELS, canonical
from underone.nn.macs import count_macs


def test_counts_are_the_published():
    theirs = timm.create_model("tf_efficientnet_lite0")
    ours = build_model("efficientnet_lite0").eval()
    params = sum(p.numel() for p in ours.parameters())
    assert params == sum(p.numel() for p in theirs.parameters()) == MODELS["efficientnet_lite0"].published.params
    image = torch.zeros(1, 3, 224, 224)
    assert count_macs(ours, image) == count_macs(theirs.eval(), image) == MODELS["efficientnet_lite0"].published.macs
    assert canonical("tf_efficientnet_lite0") == "efficientnet_lite0"


def test_levels_have_one_map_for_each_stride():
    backbone = build_model("efficientnet_lite0", features=MODELS["efficientnet_lite0"].levels)
    assert [(f.channels, f.stride) for f in backbone.features] == [(16, 2), (24, 4), (40, 8), (112, 16), (320, 32)]
