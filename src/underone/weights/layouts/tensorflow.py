"""TensorFlow's names: tensorflow/models, slim/nets/mobilenet_v1.py and slim/nets/mobilenet."""

from ...spec import Preparation
from ..layout import Family, Layout
from ..rename import Rule

_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def _layer(scope: str, ours: str, kernel: str = "weights", needed: bool = True) -> tuple[Rule, ...]:
    """Name a convolution and its batch norm, also where that was partly folded."""
    return (
        Rule(f"{scope}/{kernel}", f"backbone.{ours}.conv.weight", needed),
        *(Rule(f"{scope}/BatchNorm/{theirs}", f"backbone.{ours}.bn.{to}", False) for theirs, to in _NORM.items()),
        # what is left where norms were folded when the graph was frozen: scale and shift, or the shift alone
        Rule(f"{scope}/biases", f"backbone.{ours}.bn.bias", False),
        *(
            Rule(f"{path}/BatchNorm/batchnorm/{theirs}", f"backbone.{ours}.bn.{to}", False)
            for path in (scope, f"{scope.partition('/')[0]}/{scope}")
            for theirs, to in (("mul", "weight"), ("sub", "bias"))
        ),
    )


def _head(scope: str) -> tuple[Rule, Rule]:
    return (
        Rule(f"{scope}/Logits/Conv2d_1c_1x1/weights", "head.weight", needed=False),
        Rule(f"{scope}/Logits/Conv2d_1c_1x1/biases", "head.bias", needed=False),
    )


_V1, _V2 = "MobilenetV1", "MobilenetV2"

MOBILENET_V1 = (
    *_layer(f"{_V1}/Conv2d_0", "stem"),
    *_layer(f"{_V1}/Conv2d_{{i+1}}_depthwise", "blocks.{i}.depthwise", "depthwise_weights"),
    *_layer(f"{_V1}/Conv2d_{{i+1}}_pointwise", "blocks.{i}.pointwise"),
    *_head(_V1),
)
MOBILENET_V2 = (
    *_layer(f"{_V2}/Conv", "stem"),
    *_layer(f"{_V2}/expanded_conv/depthwise", "blocks.0.depthwise", "depthwise_weights"),
    *_layer(f"{_V2}/expanded_conv/project", "blocks.0.project"),
    *_layer(f"{_V2}/expanded_conv_{{i}}/expand", "blocks.{i}.expand"),
    *_layer(f"{_V2}/expanded_conv_{{i}}/depthwise", "blocks.{i}.depthwise", "depthwise_weights"),
    *_layer(f"{_V2}/expanded_conv_{{i}}/project", "blocks.{i}.project"),
    *_layer(f"{_V2}/Conv_1", "last", needed=False),  # DeepLab's has none
    *_head(_V2),
)


def _layout(family: Family, scope: str, marker: tuple[str, str], rules: tuple[Rule, ...]) -> Layout:
    return Layout(
        "TensorFlow", family, "training", marker, rules,
        prefix="FeatureExtractor/",  # in detectors
        arrays="tensorflow",
        padding="tf_same",
        bn_eps=1e-3,
        classes=1001,
        preparation=Preparation(mean=(0.5,) * 3, std=(0.5,) * 3),
        logits=(f"{scope}/Predictions/Reshape", f"{scope}/Logits/output", f"{scope}/Logits/SpatialSqueeze"),
        others="left out",
    )  # fmt: skip


LAYOUTS = (
    _layout("mobilenet_v1", _V1, (f"{_V1}/Conv2d_0/weights", f"{_V1}/Conv2d_13_pointwise/weights"), MOBILENET_V1),
    _layout("mobilenet_v2", _V2, (f"{_V2}/Conv/weights", f"{_V2}/expanded_conv_16/project/weights"), MOBILENET_V2),
)
