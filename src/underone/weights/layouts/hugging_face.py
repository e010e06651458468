"""Hugging Face transformers' names: `modeling_mobilenet_v1.py` and `modeling_mobilenet_v2.py`."""

from dataclasses import replace

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


def _head_layer(theirs: str, ours: str) -> tuple[Rule, ...]:
    """Name a convolution of the segmentation head and its batch norm."""
    return (
        Rule(f"segmentation_head.{theirs}.convolution.{{tensor}}", f"head.{ours}.conv.{{tensor}}"),
        Rule(f"segmentation_head.{theirs}.normalization.{{tensor}}", f"head.{ours}.bn.{{tensor}}"),
    )


MOBILENET_V1 = (
    *_layer("conv_stem", "stem"),
    # its layers are our convolutions, counted through
    *(rule for i in range(13) for rule in _layer(f"layer.{2 * i}", f"blocks.{i}.depthwise")),
    *(rule for i in range(13) for rule in _layer(f"layer.{2 * i + 1}", f"blocks.{i}.pointwise")),
    _HEAD,
)
_BLOCKS_V2 = (
    *_layer("conv_stem.first_conv", "stem"),
    *_layer("conv_stem.conv_3x3", "blocks.0.depthwise"),
    *_layer("conv_stem.reduce_1x1", "blocks.0.project"),
    *_layer("layer.{i}.expand_1x1", "blocks.{i+1}.expand"),
    *_layer("layer.{i}.conv_3x3", "blocks.{i+1}.depthwise"),
    *_layer("layer.{i}.reduce_1x1", "blocks.{i+1}.project"),
)
MOBILENET_V2 = (*_BLOCKS_V2, *_layer("conv_1x1", "last"), _HEAD)
SEGMENTER_V2 = (
    *_BLOCKS_V2,
    *_head_layer("conv_pool", "pool"),
    *_head_layer("conv_aspp", "branches.0"),
    *_head_layer("conv_projection", "project"),
    Rule("segmentation_head.classifier.convolution.{tensor}", "classifier.{tensor}"),
)


_MARKER_V2 = ("conv_stem.first_conv.convolution.weight", "layer.15.conv_3x3.convolution.weight")


def _layout(family: Family, marker: tuple[str, ...], rules: tuple[Rule, ...]) -> Layout:
    return Layout(
        "Hugging Face", family, "training", marker, rules,
        prefix=rf"{family}\.",
        padding="tf_same",  # the weights are TensorFlow's
        bn_eps=1e-3,
        classes=1001,
        preparation=Preparation(mean=(0.5,) * 3, std=(0.5,) * 3),
    )  # fmt: skip


LAYOUTS = (
    replace(
        _layout("mobilenet_v2", ("segmentation_head.classifier.convolution.weight", *_MARKER_V2), SEGMENTER_V2),
        others="left out",  # the last convolution of the backbone, which the head does not read
        name="deeplabv3light_{}",
        output_stride=8,  # of the published files: config.json, which stands beside them
        note="pictures of 513 x 513 pixels and output stride 8 are assumed; 21 classes are taken for PASCAL VOC's",
    ),
    _layout("mobilenet_v1", ("conv_stem.convolution.weight", "layer.25.convolution.weight"), MOBILENET_V1),
    _layout("mobilenet_v2", _MARKER_V2, MOBILENET_V2),
)
