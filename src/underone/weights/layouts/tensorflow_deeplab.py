"""The names of TensorFlow's DeepLab on MobileNet V2: the light head that was released, the pyramid, and the decoder.

Source: tensorflow/models, research/deeplab/model.py.
"""

from ..layout import Layout
from ..rename import Rule
from .tensorflow import BLOCKS_V2, MARKER_V2, PREPARATION, layer


def _filtered(scope: str, ours: str) -> tuple[Rule, ...]:
    """Name a 3x3 convolution that is dense or separable, or absent."""
    return (
        *layer(scope, ours, needed=False),
        *layer(f"{scope}_depthwise", f"{ours}.depthwise", "depthwise_weights", needed=False),
        *layer(f"{scope}_pointwise", f"{ours}.pointwise", needed=False),
    )


_RULES = (
    *BLOCKS_V2,
    *layer("image_pooling", "head.pool"),
    *_filtered("aspp{i}", "head.branches.{i}"),
    *layer("concat_projection", "head.project"),
    *layer("decoder/feature_projection{i}", "decoder.low", needed=False),
    *_filtered("decoder/decoder_conv{i}", "decoder.convs.{i}"),
    Rule("logits/semantic/weights", "classifier.weight"),
    Rule("logits/semantic/biases", "classifier.bias"),
)

# what only this head has → the network; the first that is there counts
_HEADS = (
    ("decoder/feature_projection0/weights", "deeplabv3plus_{}"),
    ("aspp1/weights", "deeplabv3_{}"),
    ("aspp1_depthwise/depthwise_weights", "deeplabv3_{}"),
    ("aspp0/weights", "deeplabv3light_{}"),
)

LAYOUTS = tuple(
    Layout(
        "TensorFlow DeepLab", "mobilenet_v2", "training", (marker, "logits/semantic/weights", *MARKER_V2), _RULES,
        arrays="tensorflow",
        padding="tf_same",
        bn_eps=1e-3,
        preparation=PREPARATION,
        picture=("MobilenetV2/MobilenetV2/input[1x513x513x3]",),
        logits=("logits/semantic/BiasAdd",),
        others="left out",
        name=name,
        output_stride=16,
        note="pictures of 513 x 513 pixels and output stride 16 are assumed; 21 classes are taken for PASCAL VOC's",
    )
    for marker, name in _HEADS
)  # fmt: skip
