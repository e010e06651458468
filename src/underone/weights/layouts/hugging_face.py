"""Hugging Face transformers' names: `modeling_mobilenet_v1.py` and `modeling_mobilenet_v2.py`."""

from ...spec import Preparation
from ..layout import Family, Layout
from ..rename import Rule


def _layer(theirs: str, ours: str) -> tuple[Rule, Rule]:
    """Name a convolution and its batch norm."""
    return (
        Rule(f"{theirs}.convolution.{{tensor}}", f"backbone.{ours}.conv.{{tensor}}"),
        Rule(f"{theirs}.normalization.{{tensor}}", f"backbone.{ours}.bn.{{tensor}}"),
    )


_HEAD = Rule("classifier.{tensor}", "head.{tensor}", needed=False)

MOBILENET_V1 = (
    *_layer("conv_stem", "stem"),
    # its layers are our convolutions, counted through
    *(rule for i in range(13) for rule in _layer(f"layer.{2 * i}", f"blocks.{i}.depthwise")),
    *(rule for i in range(13) for rule in _layer(f"layer.{2 * i + 1}", f"blocks.{i}.pointwise")),
    _HEAD,
)
MOBILENET_V2 = (
    *_layer("conv_stem.first_conv", "stem"),
    *_layer("conv_stem.conv_3x3", "blocks.0.depthwise"),
    *_layer("conv_stem.reduce_1x1", "blocks.0.project"),
    *_layer("layer.{i}.expand_1x1", "blocks.{i+1}.expand"),
    *_layer("layer.{i}.conv_3x3", "blocks.{i+1}.depthwise"),
    *_layer("layer.{i}.reduce_1x1", "blocks.{i+1}.project"),
    *_layer("conv_1x1", "last"),
    _HEAD,
)


def _layout(family: Family, marker: tuple[str, str], rules: tuple[Rule, ...]) -> Layout:
    return Layout(
        "Hugging Face", family, "training", marker, rules,
        prefix=rf"{family}\.",
        padding="tf_same",  # the weights are TensorFlow's
        bn_eps=1e-3,
        classes=1001,
        preparation=Preparation(mean=(0.5,) * 3, std=(0.5,) * 3),
    )  # fmt: skip


LAYOUTS = (
    _layout("mobilenet_v1", ("conv_stem.convolution.weight", "layer.25.convolution.weight"), MOBILENET_V1),
    _layout(
        "mobilenet_v2",
        ("conv_stem.first_conv.convolution.weight", "layer.15.conv_3x3.convolution.weight"),
        MOBILENET_V2,
    ),
)
