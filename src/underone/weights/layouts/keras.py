"""Keras' names: `keras.applications`, mobilenet.py and mobilenet_v2.py, also inside of other models."""

from typing import Literal

from ...spec import Preparation
from ..layout import Family, Layout
from ..rename import Rule

_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def _layer(conv: str, norm: str, ours: str) -> tuple[Rule, ...]:
    """Name a convolution and its batch norm."""
    return (
        Rule(f"{conv}/kernel", f"backbone.{ours}.conv.weight", needed=False),
        Rule(f"{conv}/depthwise_kernel", f"backbone.{ours}.conv.weight", needed=False),  # Keras 2
        *(Rule(f"{norm}/{theirs}", f"backbone.{ours}.bn.{to}", needed=False) for theirs, to in _NORM.items()),
    )


def _head(*layers: str) -> tuple[Rule, ...]:
    return tuple(
        Rule(f"{layer}/{theirs}", f"head.{ours}", needed=False)
        for layer in layers
        for theirs, ours in (("kernel", "weight"), ("bias", "bias"))
    )


_OWN_HEADS = ("dense", "dense_{i}")  # of those who trained further; a second dense layer is no MobileNet's

MOBILENET_V1 = (
    *_layer("conv1", "conv1_bn", "stem"),
    *_layer("conv_dw_{i+1}", "conv_dw_{i+1}_bn", "blocks.{i}.depthwise"),
    *_layer("conv_pw_{i+1}", "conv_pw_{i+1}_bn", "blocks.{i}.pointwise"),
    *_head("conv_preds", *_OWN_HEADS),
)
_B, _BLOCK = "block_{i}", "blocks.{i}"
MOBILENET_V2 = (
    *_layer("Conv1", "bn_Conv1", "stem"),
    *_layer("expanded_conv_depthwise", "expanded_conv_depthwise_BN", "blocks.0.depthwise"),
    *_layer("expanded_conv_project", "expanded_conv_project_BN", "blocks.0.project"),
    *_layer(f"{_B}_expand", f"{_B}_expand_BN", f"{_BLOCK}.expand"),
    *_layer(f"{_B}_depthwise", f"{_B}_depthwise_BN", f"{_BLOCK}.depthwise"),
    *_layer(f"{_B}_project", f"{_B}_project_BN", f"{_BLOCK}.project"),
    *_layer("Conv_1", "Conv_1_bn", "last"),
    *_head("predictions", "Logits", *_OWN_HEADS),
)


def _layout(
    family: Family, marker: tuple[str, str], rules: tuple[Rule, ...], padding: Literal["tf_same", "keras"]
) -> Layout:
    return Layout(
        "Keras", family, "training", marker, rules,
        prefix="mobilenet[^/]*/",  # a model inside of a model
        arrays="tensorflow",
        padding=padding,
        bn_eps=1e-3,
        preparation=Preparation(mean=(0.5,) * 3, std=(0.5,) * 3),
    )  # fmt: skip


LAYOUTS = (
    _layout("mobilenet_v1", ("conv1/kernel", "conv_pw_13/kernel"), MOBILENET_V1, "keras"),
    _layout("mobilenet_v2", ("Conv1/kernel", "block_16_project/kernel"), MOBILENET_V2, "tf_same"),
)
