"""The table of Caffe's layers: class → its rule, and the field that holds its settings."""

from collections.abc import Mapping
from typing import NamedTuple

from . import rules, shapes
from .priors import prior_box
from .rules import Rule


class Row(NamedTuple):
    """How one class of layers becomes nodes: its rule, and the field of its settings."""

    rule: Rule
    param: str = ""


_CONVOLUTION = "convolution_param"

LAYERS: Mapping[str, Row] = {
    "Convolution": Row(rules.convolution, _CONVOLUTION),
    "DepthwiseConvolution": Row(rules.convolution, _CONVOLUTION),
    "ConvolutionDepthwise": Row(rules.convolution, _CONVOLUTION),
    "Deconvolution": Row(rules.deconvolution, _CONVOLUTION),
    "Pooling": Row(rules.pooling, "pooling_param"),
    "InnerProduct": Row(rules.inner_product, "inner_product_param"),
    "BatchNorm": Row(rules.batch_norm, "batch_norm_param"),
    "Scale": Row(rules.scale, "scale_param"),
    "Bias": Row(rules.bias, "bias_param"),
    "ReLU": Row(rules.relu, "relu_param"),
    "ReLU6": Row(rules.relu6),
    "PReLU": Row(rules.prelu, "prelu_param"),
    "ELU": Row(rules.elu, "elu_param"),
    "Sigmoid": Row(rules.function("Sigmoid")),
    "TanH": Row(rules.function("Tanh")),
    "AbsVal": Row(rules.function("Abs")),
    "BNLL": Row(rules.function("Softplus")),
    "Swish": Row(rules.swish),
    "Power": Row(rules.power, "power_param"),
    "Exp": Row(rules.exponential, "exp_param"),
    "Log": Row(rules.logarithm, "log_param"),
    "Eltwise": Row(rules.eltwise, "eltwise_param"),
    "Concat": Row(shapes.concat, "concat_param"),
    "Slice": Row(shapes.slices, "slice_param"),
    "Split": Row(rules.same),
    "Dropout": Row(rules.same),
    "Softmax": Row(rules.softmax, "softmax_param"),
    "Flatten": Row(shapes.flatten, "flatten_param"),
    "Reshape": Row(shapes.reshape, "reshape_param"),
    "Permute": Row(shapes.permute, "permute_param"),
    "Normalize": Row(rules.normalize, "norm_param"),
    "LRN": Row(rules.local_norm, "lrn_param"),
    "PriorBox": Row(prior_box, "prior_box_param"),
    "ArgMax": Row(shapes.argmax, "argmax_param"),
    "Crop": Row(shapes.crop, "crop_param"),
    "Tile": Row(shapes.tile, "tile_param"),
    "ShuffleChannel": Row(shapes.shuffle, "shuffle_channel_param"),
}
