"""The table of Keras layers: class → its rule, and which weights it has in which order.

Source: Keras 2.0 to 3.15. A class that is not here, and a function of the user's own, is never run.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ...errors import Unsupported
from . import convolutions, rules
from .rules import Rule
from .settings import Settings


class Row(NamedTuple):
    """How one class of layers becomes nodes.

    Attributes:
        rule: makes them.
        weights: kinds of the layer's arrays, in Keras' order; each with the flag of the configuration that asks for it,
            and what holds where the flag is absent.
    """

    rule: Rule
    weights: tuple[tuple[str, str, bool], ...] = ()

    def kinds(self, settings: Settings) -> list[str]:
        """Give the kinds of arrays that a layer of this configuration has."""
        return [kind for kind, flag, default in self.weights if not flag or settings.flag(flag, default)]


def _always(*kinds: str) -> tuple[tuple[str, str, bool], ...]:
    return tuple((kind, "", True) for kind in kinds)


_BIAS = (("bias", "use_bias", True),)
_SCALED = (("gamma", "scale", True), ("beta", "center", True))
_SAME, _RANDOM = Row(rules.same), Row(rules.random)

LAYERS: Mapping[str, Row] = {
    "Conv2D": Row(convolutions.conv, _always("kernel") + _BIAS),
    "Conv2DTranspose": Row(convolutions.transposed, _always("kernel") + _BIAS),
    "DepthwiseConv2D": Row(convolutions.depthwise, _always("kernel") + _BIAS),
    "SeparableConv2D": Row(convolutions.separable, _always("depthwise_kernel", "pointwise_kernel") + _BIAS),
    "Dense": Row(convolutions.dense, _always("kernel") + _BIAS),
    "BatchNormalization": Row(rules.batch_norm, _SCALED + _always("moving_mean", "moving_variance")),
    "LayerNormalization": Row(rules.layer_norm, _SCALED),
    "Normalization": Row(rules.normalization, _always("mean", "variance", "count")),
    "Rescaling": Row(rules.rescaling),
    "ReLU": Row(rules.relu),
    "LeakyReLU": Row(rules.leaky_relu),
    "PReLU": Row(rules.prelu, _always("alpha")),
    "ELU": Row(rules.elu),
    "Softmax": Row(rules.softmax),
    "Activation": Row(rules.activation),
    "MaxPooling2D": Row(rules.pool("MaxPool")),
    "AveragePooling2D": Row(rules.pool("AveragePool")),
    "GlobalAveragePooling2D": Row(rules.global_pool("ReduceMean")),
    "GlobalMaxPooling2D": Row(rules.global_pool("ReduceMax")),
    "ZeroPadding2D": Row(rules.zero_padding),
    "Cropping2D": Row(rules.cropping),
    "UpSampling2D": Row(rules.upsampling),
    "Resizing": Row(rules.resizing),
    "Reshape": Row(rules.reshape),
    "Flatten": Row(rules.flatten),
    "Permute": Row(rules.permute),
    "RepeatVector": Row(rules.repeat),
    "Concatenate": Row(rules.concatenate),
    "Add": Row(rules.arithmetic("Add")),
    "Subtract": Row(rules.arithmetic("Sub")),
    "Multiply": Row(rules.arithmetic("Mul")),
    "Divide": Row(rules.arithmetic("Div")),
    "TrueDivide": Row(rules.arithmetic("Div")),
    "Maximum": Row(rules.arithmetic("Max")),
    "Minimum": Row(rules.arithmetic("Min")),
    "Average": Row(rules.average),
    **dict.fromkeys(("Dropout", "SpatialDropout2D", "GaussianDropout", "AlphaDropout", "GaussianNoise"), _SAME),
    **dict.fromkeys(("ActivityRegularization", "Identity"), _SAME),
    **dict.fromkeys(("RandomFlip", "RandomRotation", "RandomZoom", "RandomContrast", "RandomBrightness"), _RANDOM),
    **dict.fromkeys(("RandomTranslation", "RandomErasing", "RandomHue", "RandomSaturation"), _RANDOM),
}

# functions of TensorFlow that a model of Keras 2 calls without a layer; the file has their names, as "function"
_FUNCTION = "TFOpLambda"
FUNCTIONS: Mapping[str, Row] = {
    "__operators__.add": LAYERS["Add"],
    "math.add": LAYERS["Add"],
    "math.subtract": LAYERS["Subtract"],
    "math.multiply": LAYERS["Multiply"],
    "math.truediv": LAYERS["Divide"],
    "math.divide": LAYERS["Divide"],
    "math.maximum": LAYERS["Maximum"],
    "math.minimum": LAYERS["Minimum"],
    "math.sigmoid": Row(rules.function("sigmoid")),
    "math.tanh": Row(rules.function("tanh")),
    "nn.relu": Row(rules.function("relu")),
    "nn.relu6": Row(rules.function("relu6")),
    "nn.silu": Row(rules.function("silu")),
    "nn.swish": Row(rules.function("silu")),
    "nn.sigmoid": Row(rules.function("sigmoid")),
    "nn.tanh": Row(rules.function("tanh")),
}


def row_of(kind: str, settings: Settings) -> Row:
    """Look up the row of a layer.

    Raises:
        Unsupported: its class, or the function that it calls, is not in the tables.
    """
    if kind == _FUNCTION and settings.raw("function") in list(FUNCTIONS):
        return FUNCTIONS[settings.text("function")]
    if kind not in LAYERS:
        called = f" with the function {settings.raw('function')!r}" if kind == _FUNCTION else ""
        raise Unsupported(f"{settings.owner} is of class {kind!r}{called}, which is not read and never run")
    return LAYERS[kind]


def kinds_of(kind: str, settings: Settings) -> list[str] | None:
    """Give the kinds of arrays of a layer, None for a class that is not in the table."""
    if kind == "Normalization" and "mean" in settings:
        return []
    return LAYERS[kind].kinds(settings) if kind in LAYERS else None
