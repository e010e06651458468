"""Caffe's messages, as far as they are read from bytes: number of a field → its name and kind.

Source: BVLC/caffe and weiliu89/caffe (SSD), src/caffe/proto/caffe.proto.
"""

from collections.abc import Mapping

Kind = (
    str | tuple[str, ...]
)  # "text", "integer", "number", "flag", the name of a message, or the names of an enumeration
Fields = Mapping[int, tuple[str, Kind]]

_POOL = ("MAX", "AVE", "STOCHASTIC")
_RULE: Fields = {1: ("phase", ("TRAIN", "TEST")), 2: ("min_level", "integer"), 3: ("max_level", "integer"),
         4: ("stage", "text"), 5: ("not_stage", "text")}  # fmt: skip
_LOG: Fields = {1: ("base", "number"), 2: ("scale", "number"), 3: ("shift", "number")}

MESSAGES: Mapping[str, Fields] = {
    "Net": {1: ("name", "text"), 3: ("input", "text"), 4: ("input_dim", "integer"), 8: ("input_shape", "Shape")},
    "Shape": {1: ("dim", "integer")},
    "Rule": _RULE,
    "Transform": {1: ("scale", "number"), 5: ("mean_value", "number")},
    "ArgMax": {1: ("out_max_val", "flag"), 2: ("top_k", "integer"), 3: ("axis", "integer")},
    "Concat": {1: ("concat_dim", "integer"), 2: ("axis", "integer")},
    "BatchNorm": {1: ("use_global_stats", "flag"), 3: ("eps", "number")},
    "Bias": {1: ("axis", "integer"), 2: ("num_axes", "integer")},
    "Convolution": {
        1: ("num_output", "integer"), 2: ("bias_term", "flag"), 3: ("pad", "integer"), 4: ("kernel_size", "integer"),
        5: ("group", "integer"), 6: ("stride", "integer"), 9: ("pad_h", "integer"), 10: ("pad_w", "integer"),
        11: ("kernel_h", "integer"), 12: ("kernel_w", "integer"), 13: ("stride_h", "integer"),
        14: ("stride_w", "integer"), 16: ("axis", "integer"), 18: ("dilation", "integer"),
    },
    "Crop": {1: ("axis", "integer"), 2: ("offset", "integer")},
    "Eltwise": {1: ("operation", ("PROD", "SUM", "MAX")), 2: ("coeff", "number")},
    "ELU": {1: ("alpha", "number")},
    "Exp": _LOG,
    "Log": _LOG,
    "Flatten": {1: ("axis", "integer"), 2: ("end_axis", "integer")},
    "InnerProduct": {1: ("num_output", "integer"), 2: ("bias_term", "flag"), 5: ("axis", "integer"),
                     6: ("transpose", "flag")},
    "Input": {1: ("shape", "Shape")},
    "LRN": {1: ("local_size", "integer"), 2: ("alpha", "number"), 3: ("beta", "number"),
            4: ("norm_region", ("ACROSS_CHANNELS", "WITHIN_CHANNEL")), 5: ("k", "number")},
    "Normalize": {1: ("across_spatial", "flag"), 3: ("channel_shared", "flag"), 4: ("eps", "number")},
    "Permute": {1: ("order", "integer")},
    "Pooling": {
        1: ("pool", _POOL), 2: ("kernel_size", "integer"), 3: ("stride", "integer"), 4: ("pad", "integer"),
        5: ("kernel_h", "integer"), 6: ("kernel_w", "integer"), 7: ("stride_h", "integer"), 8: ("stride_w", "integer"),
        9: ("pad_h", "integer"), 10: ("pad_w", "integer"), 12: ("global_pooling", "flag"),
        13: ("round_mode", ("CEIL", "FLOOR")),
    },
    "Power": {1: ("power", "number"), 2: ("scale", "number"), 3: ("shift", "number")},
    "PReLU": {2: ("channel_shared", "flag")},
    "PriorBox": {
        1: ("min_size", "number"), 2: ("max_size", "number"), 3: ("aspect_ratio", "number"), 4: ("flip", "flag"),
        5: ("clip", "flag"), 6: ("variance", "number"), 7: ("img_size", "integer"), 8: ("img_h", "integer"),
        9: ("img_w", "integer"), 10: ("step", "number"), 11: ("step_h", "number"), 12: ("step_w", "number"),
        13: ("offset", "number"),
    },
    "DetectionOutput": {
        1: ("num_classes", "integer"), 2: ("share_location", "flag"), 3: ("background_label_id", "integer"),
        4: ("nms_param", "Suppression"), 6: ("code_type", ("", "CORNER", "CENTER_SIZE", "CORNER_SIZE")),
        7: ("keep_top_k", "integer"), 8: ("variance_encoded_in_target", "flag"), 9: ("confidence_threshold", "number"),
    },
    "Suppression": {1: ("nms_threshold", "number"), 2: ("top_k", "integer")},
    "ReLU": {1: ("negative_slope", "number")},
    "Reshape": {1: ("shape", "Shape"), 2: ("axis", "integer"), 3: ("num_axes", "integer")},
    "Scale": {1: ("axis", "integer"), 2: ("num_axes", "integer"), 4: ("bias_term", "flag")},
    "Slice": {1: ("slice_dim", "integer"), 2: ("slice_point", "integer"), 3: ("axis", "integer")},
    "Softmax": {2: ("axis", "integer")},
    "Tile": {1: ("axis", "integer"), 2: ("tiles", "integer")},
    "Layer": {
        1: ("name", "text"), 2: ("type", "text"), 3: ("bottom", "text"), 4: ("top", "text"), 8: ("include", "Rule"),
        9: ("exclude", "Rule"), 100: ("transform_param", "Transform"), 103: ("argmax_param", "ArgMax"),
        104: ("concat_param", "Concat"), 106: ("convolution_param", "Convolution"), 110: ("eltwise_param", "Eltwise"),
        111: ("exp_param", "Exp"), 117: ("inner_product_param", "InnerProduct"), 118: ("lrn_param", "LRN"),
        121: ("pooling_param", "Pooling"), 122: ("power_param", "Power"), 123: ("relu_param", "ReLU"),
        125: ("softmax_param", "Softmax"), 126: ("slice_param", "Slice"), 131: ("prelu_param", "PReLU"),
        133: ("reshape_param", "Reshape"), 134: ("log_param", "Log"), 135: ("flatten_param", "Flatten"),
        138: ("tile_param", "Tile"), 139: ("batch_norm_param", "BatchNorm"), 140: ("elu_param", "ELU"),
        141: ("bias_param", "Bias"), 142: ("scale_param", "Scale"), 143: ("input_param", "Input"),
        144: ("crop_param", "Crop"), 202: ("permute_param", "Permute"), 203: ("prior_box_param", "PriorBox"),
        204: ("detection_output_param", "DetectionOutput"),
        206: ("norm_param", "Normalize"),
    },
}  # fmt: skip

OLD_LAYER: Fields = {
    2: ("bottom", "text"), 3: ("top", "text"), 4: ("name", "text"), 9: ("concat_param", "Concat"),
    10: ("convolution_param", "Convolution"), 17: ("inner_product_param", "InnerProduct"), 18: ("lrn_param", "LRN"),
    19: ("pooling_param", "Pooling"), 21: ("power_param", "Power"), 23: ("argmax_param", "ArgMax"),
    24: ("eltwise_param", "Eltwise"), 30: ("relu_param", "ReLU"), 31: ("slice_param", "Slice"),
    32: ("include", "Rule"), 33: ("exclude", "Rule"), 36: ("transform_param", "Transform"),
    39: ("softmax_param", "Softmax"), 41: ("exp_param", "Exp"),
}  # fmt: skip

# number and name of a type of old layers → its name today; those that are not here are for training
OLD_TYPES: Mapping[int, tuple[str, str]] = {
    3: ("CONCAT", "Concat"), 4: ("CONVOLUTION", "Convolution"), 6: ("DROPOUT", "Dropout"), 8: ("FLATTEN", "Flatten"),
    14: ("INNER_PRODUCT", "InnerProduct"), 15: ("LRN", "LRN"), 17: ("POOLING", "Pooling"), 18: ("RELU", "ReLU"),
    19: ("SIGMOID", "Sigmoid"), 20: ("SOFTMAX", "Softmax"), 21: ("SOFTMAX_LOSS", "SoftmaxWithLoss"),
    22: ("SPLIT", "Split"), 23: ("TANH", "TanH"), 25: ("ELTWISE", "Eltwise"), 26: ("POWER", "Power"),
    30: ("ARGMAX", "ArgMax"), 33: ("SLICE", "Slice"), 35: ("ABSVAL", "AbsVal"), 36: ("SILENCE", "Silence"),
    38: ("EXP", "Exp"), 39: ("DECONVOLUTION", "Deconvolution"), 2: ("BNLL", "BNLL"), 1: ("ACCURACY", "Accuracy"),
    5: ("DATA", "Data"), 12: ("IMAGE_DATA", "ImageData"), 29: ("MEMORY_DATA", "MemoryData"),
}  # fmt: skip
