"""The names of the packages efficientnet_pytorch and efficientnet_lite_pytorch: `model.py`."""

from ...spec import Preparation
from ..layout import Layout
from ..rename import Rule


def _layer(conv: str, bn: str, ours: str) -> tuple[Rule, Rule]:
    return (
        Rule(f"{conv}.{{tensor}}", f"backbone.{ours}.conv.{{tensor}}"),
        Rule(f"{bn}.{{tensor}}", f"backbone.{ours}.bn.{{tensor}}"),
    )


EFFICIENTNET_LITE = (
    *_layer("_conv_stem", "_bn0", "stem"),
    *_layer("_blocks.{i}._depthwise_conv", "_blocks.{i}._bn1", "blocks.{i}.depthwise"),
    *_layer("_blocks.{i}._expand_conv", "_blocks.{i}._bn0", "blocks.{i}.expand"),
    *_layer("_blocks.{i}._project_conv", "_blocks.{i}._bn2", "blocks.{i}.project"),
    *_layer("_conv_head", "_bn1", "last"),
    Rule("_fc.{tensor}", "head.{tensor}", needed=False),
)

LAYOUTS = (
    Layout(
        "efficientnet_lite_pytorch", "efficientnet_lite", "training",
        ("_conv_stem.weight", "_blocks.15._project_conv.weight"), EFFICIENTNET_LITE,
        padding="tf_same", bn_eps=1e-3,
        preparation=Preparation(mean=(127 / 255,) * 3, std=(128 / 255,) * 3, interpolation="bicubic"),
    ),
)  # fmt: skip
