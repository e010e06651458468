"""The operators of TFLite: name → how it is translated.

Source: tensorflow/compiler/mlir/lite/schema/schema.fbs for the options; tensorflow/lite/kernels for the meaning.
"""

from collections.abc import Mapping

from . import layers, layout, numbers
from .call import Row

TABLE: Mapping[str, Row] = {
    # products
    "CONV_2D": Row(layers.convolved, activation=3),
    "DEPTHWISE_CONV_2D": Row(layers.depthwise, activation=4),
    "TRANSPOSE_CONV": Row(layers.transposed_conv, activation=3),
    "FULLY_CONNECTED": Row(layers.fully_connected, activation=0),
    "BATCH_MATMUL": Row(layers.matmul),
    # arithmetic
    "ADD": Row(layers.node_of_all("Add"), activation=0),
    "SUB": Row(layers.node_of_all("Sub"), activation=0),
    "MUL": Row(layers.node_of_all("Mul"), activation=0),
    "DIV": Row(layers.node_of_all("Div"), activation=0),
    "ADD_N": Row(layers.node_of_all("Sum")),
    "POW": Row(layers.node_of_all("Pow")),
    "FLOOR_DIV": Row(numbers.floor_div),
    "FLOOR_MOD": Row(layers.node_of_all("Mod")),
    "SQUARED_DIFFERENCE": Row(layers.squared_difference),
    "MAXIMUM": Row(layers.node_of_all("Max"), free=True),
    "MINIMUM": Row(layers.node_of_all("Min"), free=True),
    "SELECT": Row(numbers.select, free=True),
    "SELECT_V2": Row(numbers.select, free=True),
    **{
        name: Row(layers.node_of_all(op))
        for name, op in {
            "EQUAL": "Equal", "GREATER": "Greater", "GREATER_EQUAL": "GreaterOrEqual", "LESS": "Less",
            "LESS_EQUAL": "LessOrEqual", "LOGICAL_AND": "And", "LOGICAL_OR": "Or", "LOGICAL_NOT": "Not",
        }.items()
    },
    "NOT_EQUAL": Row(numbers.not_equal),
    # functions of one element
    "RELU": Row(layers.activated("RELU")),
    "RELU6": Row(layers.activated("RELU6")),
    "RELU_N1_TO_1": Row(layers.activated("RELU_N1_TO_1")),
    "RELU_0_TO_1": Row(layers.activated("RELU_0_TO_1")),
    "LOGISTIC": Row(layers.node_of_first("Sigmoid"), free=True),
    "TANH": Row(layers.node_of_first("Tanh"), free=True),
    "PRELU": Row(layers.prelu),
    "LEAKY_RELU": Row(layers.leaky_relu),
    "GELU": Row(layers.gelu),
    "SQUARE": Row(layers.square),
    "RSQRT": Row(layers.reciprocal_root),
    **{
        name: Row(layers.node_of_first(op))
        for name, op in {
            "HARD_SWISH": "HardSwish", "ELU": "Elu", "ABS": "Abs", "NEG": "Neg", "EXP": "Exp", "LOG": "Log",
            "SQRT": "Sqrt", "SIN": "Sin", "COS": "Cos", "FLOOR": "Floor", "CEIL": "Ceil", "ROUND": "Round",
            "SIGN": "Sign",
        }.items()
    },
    # pools, reductions, normalisation
    "AVERAGE_POOL_2D": Row(layers.pooled("AveragePool"), activation=5, free=True),
    "MAX_POOL_2D": Row(layers.pooled("MaxPool"), activation=5, moves=True),
    "MEAN": Row(numbers.reduce("ReduceMean"), free=True),
    "SUM": Row(numbers.reduce("ReduceSum")),
    "REDUCE_MAX": Row(numbers.reduce("ReduceMax"), moves=True),
    "REDUCE_MIN": Row(numbers.reduce("ReduceMin"), moves=True),
    "REDUCE_PROD": Row(numbers.reduce("ReduceProd")),
    "ARG_MAX": Row(numbers.arg("ArgMax")),
    "ARG_MIN": Row(numbers.arg("ArgMin")),
    "SOFTMAX": Row(layers.softmax, free=True),
    "LOG_SOFTMAX": Row(layers.node_of_first("LogSoftmax", axis=-1), free=True),
    "L2_NORMALIZATION": Row(layers.l2_normalised, activation=0, free=True),
    # layout
    "CONCATENATION": Row(layout.concat, activation=1, moves=True),
    "RESHAPE": Row(layout.reshaped, moves=True),
    "SQUEEZE": Row(layout.squeeze, moves=True),
    "EXPAND_DIMS": Row(layout.expand_dims, moves=True),
    "TRANSPOSE": Row(layout.transpose, moves=True),
    "PAD": Row(layout.padded, moves=True),
    "PADV2": Row(layout.padded, moves=True),
    "MIRROR_PAD": Row(layout.mirror_pad, moves=True),
    "SLICE": Row(layout.sliced, moves=True),
    "STRIDED_SLICE": Row(layout.strided_slice, moves=True),
    "PACK": Row(layout.pack, moves=True),
    "UNPACK": Row(layout.unpack, moves=True),
    "SPLIT": Row(layout.split, moves=True),
    "SPLIT_V": Row(layout.split_v, moves=True),
    "GATHER": Row(layout.gather, moves=True),
    "TILE": Row(layout.tile, moves=True),
    "FILL": Row(layout.fill, moves=True),
    "BROADCAST_TO": Row(layout.broadcast_to, moves=True),
    "DEPTH_TO_SPACE": Row(layout.to_depth("DepthToSpace"), moves=True),
    "SPACE_TO_DEPTH": Row(layout.to_depth("SpaceToDepth"), moves=True),
    "RESIZE_BILINEAR": Row(layers.resized("linear", 2), free=True),
    "RESIZE_NEAREST_NEIGHBOR": Row(layers.resized("nearest", 0), moves=True),
    "SHAPE": Row(layout.shape_of),
    # numbers
    "CAST": Row(numbers.cast),
    "QUANTIZE": Row(numbers.same),
    "DEQUANTIZE": Row(numbers.same, moves=True),
    "DENSIFY": Row(numbers.same, moves=True),
}  # fmt: skip
