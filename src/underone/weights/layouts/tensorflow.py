"""TensorFlow's names: tensorflow/models, slim/nets/mobilenet_v1.py and slim/nets/mobilenet."""

from ...spec import Preparation
from ..layout import Family, Layout
from ..rename import Rule

_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def layer(scope: str, ours: str, kernel: str = "weights", needed: bool = True) -> tuple[Rule, ...]:
    """Name a convolution and its batch norm, also where that was partly folded."""
    outer = scope.partition("/")[0]
    return (
        Rule(f"{scope}/{kernel}", f"{ours}.conv.weight", needed),
        *(Rule(f"{scope}/BatchNorm/{theirs}", f"{ours}.bn.{to}", False) for theirs, to in _NORM.items()),
        # what is left where norms were folded when the graph was frozen: scale and shift, or the shift alone
        Rule(f"{scope}/biases", f"{ours}.bn.bias", False),
        *(
            Rule(f"{path}/BatchNorm/batchnorm/{theirs}", f"{ours}.bn.{to}", False)
            for path in (scope, f"{outer}/{scope}")[: 1 + ("{" not in outer)]
            for theirs, to in (("mul", "weight"), ("sub", "bias"))
        ),
    )


def _head(scope: str) -> tuple[Rule, Rule]:
    return (
        Rule(f"{scope}/Logits/Conv2d_1c_1x1/weights", "head.weight", needed=False),
        Rule(f"{scope}/Logits/Conv2d_1c_1x1/biases", "head.bias", needed=False),
    )


_V1, _V2 = "MobilenetV1", "MobilenetV2"

_BLOCK = "backbone.blocks.{i}"
BACKBONE_V1 = (
    *layer(f"{_V1}/Conv2d_0", "backbone.stem"),
    *layer(f"{_V1}/Conv2d_{{i+1}}_depthwise", f"{_BLOCK}.depthwise", "depthwise_weights"),
    *layer(f"{_V1}/Conv2d_{{i+1}}_pointwise", f"{_BLOCK}.pointwise"),
)
BLOCKS_V2 = (
    *layer(f"{_V2}/Conv", "backbone.stem"),
    *layer(f"{_V2}/expanded_conv/depthwise", "backbone.blocks.0.depthwise", "depthwise_weights"),
    *layer(f"{_V2}/expanded_conv/project", "backbone.blocks.0.project"),
    *layer(f"{_V2}/expanded_conv_{{i}}/expand", f"{_BLOCK}.expand"),
    *layer(f"{_V2}/expanded_conv_{{i}}/depthwise", f"{_BLOCK}.depthwise", "depthwise_weights"),
    *layer(f"{_V2}/expanded_conv_{{i}}/project", f"{_BLOCK}.project"),
)
BACKBONE_V2 = (*BLOCKS_V2, *layer(f"{_V2}/Conv_1", "backbone.last", needed=False))
MOBILENET_V1 = (*BACKBONE_V1, *_head(_V1))
MOBILENET_V2 = (*BACKBONE_V2, *_head(_V2))
PREPARATION = Preparation(mean=(0.5,) * 3, std=(0.5,) * 3)


def _layout(family: Family, scope: str, marker: tuple[str, str], rules: tuple[Rule, ...]) -> Layout:
    return Layout(
        "TensorFlow", family, "training", marker, rules,
        prefix="FeatureExtractor/",  # in detectors
        arrays="tensorflow",
        padding="tf_same",
        bn_eps=1e-3,
        classes=1001,
        preparation=PREPARATION,
        logits=(f"{scope}/Predictions/Reshape", f"{scope}/Logits/output", f"{scope}/Logits/SpatialSqueeze"),
        others="left out",
    )  # fmt: skip


MARKER_V1 = (f"{_V1}/Conv2d_0/weights", f"{_V1}/Conv2d_13_pointwise/weights")
MARKER_V2 = (f"{_V2}/Conv/weights", f"{_V2}/expanded_conv_16/project/weights")

LAYOUTS = (
    _layout("mobilenet_v1", _V1, MARKER_V1, MOBILENET_V1),
    _layout("mobilenet_v2", _V2, MARKER_V2, MOBILENET_V2),
)
