"""The names of TensorFlow's Object Detection API: its SSD and SSDLite on MobileNet V1 and V2.

Source: tensorflow/models, object_detection/models/feature_map_generators.py and core/box_predictor.py.
"""

from typing import Literal

from ..layout import Family, Layout
from ..rename import Rule
from .tensorflow import BACKBONE_V1, BACKBONE_V2, MARKER_V1, MARKER_V2, PREPARATION, layer

Kind = Literal["dense", "separable"]


def _extras(base: str, kind: Kind) -> tuple[Rule, ...]:
    """Name the smaller maps, which the source counts from 2, with their channels, {c}, in the names."""
    narrow, wide = f"{base}_1_Conv2d_{{i+2}}_1x1_{{c}}", f"{base}_2_Conv2d_{{i+2}}_3x3_s2_{{c}}"
    if kind == "dense":
        return (*layer(narrow, "extras.{i}.0"), *layer(wide, "extras.{i}.1"))
    return (
        *layer(narrow, "extras.{i}.0"),
        *layer(f"{wide}_depthwise", "extras.{i}.1", "depthwise_weights"),
        *layer(wide, "extras.{i}.2"),
    )


def _heads(kind: Kind) -> tuple[Rule, ...]:
    """Name the heads of each map; separable ones begin with a depthwise convolution."""
    rules: tuple[Rule, ...] = ()
    for theirs, ours in (("BoxEncodingPredictor", "box_heads.{i}"), ("ClassPredictor", "class_heads.{i}")):
        scope = f"BoxPredictor_{{i}}/{theirs}"
        if kind == "separable":
            rules += layer(f"{scope}_depthwise", f"{ours}.0", "depthwise_weights")
        place = f"{ours}.{int(kind == 'separable')}"
        rules += (Rule(f"{scope}/weights", f"{place}.weight"), Rule(f"{scope}/biases", f"{place}.bias"))
    return rules


# what stands behind the scope of a convolution's kernel, or of the first of two
_KERNEL = {"separable": "_depthwise/depthwise_weights", "dense": "/weights"}


def _layout(family: Family, extras: Kind, heads: Kind) -> Layout:
    backbone, base, marker = {
        "mobilenet_v1": (BACKBONE_V1, "MobilenetV1/Conv2d_13_pointwise", MARKER_V1),
        "mobilenet_v2": (BACKBONE_V2, "MobilenetV2/layer_19", MARKER_V2),
    }[family]
    first = (f"BoxPredictor_0/ClassPredictor{_KERNEL[heads]}", f"{base}_2_Conv2d_2_3x3_s2_512{_KERNEL[extras]}")
    return Layout(
        "TensorFlow Object Detection API", family, "training", (*first, *marker),
        (*backbone, *_extras(base, extras), *_heads(heads)),
        prefix="FeatureExtractor/",
        arrays="tensorflow",
        padding="tf_same",
        bn_eps=1e-3,
        preparation=PREPARATION.model_copy(update={"interpolation": "bilinear_corner"}),
        picture=("Preprocessor/sub",),
        others="left out",
        name="ssdlite300_{}" if heads == "separable" else "ssd300_{}",
        note="size of the pictures, anchors and thresholds are those of the published configurations at 300 pixels",
    )  # fmt: skip


# separable heads are looked for first: they have the marker of dense ones too
LAYOUTS = (
    _layout("mobilenet_v1", "separable", "separable"),
    _layout("mobilenet_v2", "separable", "separable"),
    _layout("mobilenet_v1", "dense", "dense"),
    _layout("mobilenet_v2", "separable", "dense"),
)
