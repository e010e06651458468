"""Keras layers with kernels: convolutions of every kind, and Dense."""

import numpy as np

from ...graph import Array
from .. import channels_last as last
from ..channels_last import Window
from .activations import activate
from .call import Call
from .settings import Pair


def conv(call: Call) -> str:
    """Conv2D: kernel (h, w, I / group, O)."""
    kernel, group = call.weight("kernel", (None,) * 4), call.settings.integer("groups", 1)
    weight = call.constant("weight", kernel.transpose(3, 2, 0, 1))  # (O, I / group, h, w)
    bias = bias_of(call, kernel.shape[3])
    made = last.convolution(call.builder, call.x, weight, bias, window(call), call.name, group)
    return activate(call, made)


def depthwise(call: Call) -> str:
    """DepthwiseConv2D: kernel (h, w, C, M); output c * M + m is the m-th of input channel c."""
    weight = depthwise_weight(call.weight("kernel", (None,) * 4))
    bias = bias_of(call, len(weight))
    made = _depthwise(call, weight, bias, call.name)
    return activate(call, made)


def separable(call: Call) -> str:
    """SeparableConv2D: a depthwise convolution without bias, then a pointwise one, kernel (1, 1, C * M, O)."""
    spread = _depthwise(call, depthwise_weight(call.weight("depthwise_kernel", (None,) * 4)), None,
                        f"{call.name}/depthwise")  # fmt: skip
    kernel = call.weight("pointwise_kernel", (1, 1, None, None))
    weight = call.constant("pointwise_weight", kernel.transpose(3, 2, 0, 1))
    bias = bias_of(call, kernel.shape[3])
    made = last.convolution(call.builder, spread, weight, bias, Window(), call.name)
    return activate(call, made)


def transposed(call: Call) -> str:
    """Conv2DTranspose: kernel (h, w, O, I)."""
    call.settings.require("output_padding")
    kernel = call.weight("kernel", (None,) * 4)
    weight = call.constant("weight", kernel.transpose(3, 2, 0, 1))  # (I, O, h, w)
    bias = bias_of(call, kernel.shape[2])
    made = last.transposed_convolution(call.builder, call.x, weight, bias, window(call), None, call.name)
    return activate(call, made)


def dense(call: Call) -> str:
    """Dense over the last axis: kernel (I, O)."""
    kernel = call.weight("kernel", (None, None))
    weight = call.constant("weight", kernel.T)
    return activate(call, last.dense(call.builder, call.x, weight, bias_of(call, kernel.shape[1]), call.name))


def bias_of(call: Call, size: int) -> str | None:
    """Add the bias (size,) as a constant, if the layer has one."""
    if not call.settings.flag("use_bias", True):
        return None
    return call.constant("bias", call.weight("bias", (size,)))


def depthwise_weight(kernel: Array) -> Array:
    """Turn (h, w, C, M) into (C * M, 1, h, w)."""
    height, width = kernel.shape[:2]
    return np.ascontiguousarray(kernel.transpose(2, 3, 0, 1).reshape(-1, 1, height, width))


def window(call: Call, strides: Pair = (1, 1)) -> Window:
    """Give strides, dilations and padding of a layer; `strides` where it gives none."""
    settings = call.settings
    settings.require("data_format", "channels_last")
    settings.require("padding", "same", "valid")
    padding = settings.text("padding", "valid")
    return Window(
        settings.pair("strides", strides), settings.pair("dilation_rate", (1, 1)),
        "SAME" if padding == "same" else "VALID",
    )  # fmt: skip


def _depthwise(call: Call, weight: Array, bias: str | None, name: str) -> str:
    (channels,) = call.builder.fixed_shape(call.x, [-1])
    placed = call.constant("depthwise_weight", weight)
    return last.convolution(call.builder, call.x, placed, bias, window(call), name, group=channels)
