"""The closed table of torch operations that a Graph can say."""

from . import elementwise as el
from . import layers, shapes
from .emit import Translation

TABLE: dict[str, Translation] = {
    # layers
    "aten.conv1d.default": layers.convolution,
    "aten.conv2d.default": layers.convolution,
    "aten.conv1d.padding": layers.convolution,
    "aten.conv2d.padding": layers.convolution,
    "aten.conv_transpose2d.input": layers.transposed_convolution,
    "aten.linear.default": layers.linear,
    "aten.addmm.default": layers.add_product,
    "aten.matmul.default": el.binary("MatMul"),
    "aten.bmm.default": el.binary("MatMul"),
    "aten.mm.default": el.binary("MatMul"),
    "aten.scaled_dot_product_attention.default": layers.attention,
    "aten.batch_norm.default": layers.batch_norm,
    "aten.layer_norm.default": layers.layer_norm,
    "aten.group_norm.default": layers.group_norm,
    # pooling and means
    "aten.adaptive_avg_pool2d.default": layers.adaptive_avg_pool,
    "aten.adaptive_max_pool2d.default": layers.adaptive_max_pool,
    "aten.avg_pool2d.default": layers.avg_pool,
    "aten.max_pool2d.default": layers.max_pool,
    "aten.mean.dim": layers.mean,
    "aten.sum.dim_IntList": layers.reduction("ReduceSum"),
    "aten.amax.default": layers.reduction("ReduceMax"),
    "aten.argmax.default": layers.argmax,
    # two operands
    "aten.add.Tensor": el.binary("Add"),
    "aten.sub.Tensor": el.binary("Sub"),
    "aten.rsub.Scalar": el.reversed_subtraction,
    "aten.mul.Tensor": el.binary("Mul"),
    "aten.div.Tensor": el.binary("Div"),
    "aten.pow.Tensor_Scalar": el.binary("Pow"),
    "aten.maximum.default": el.binary("Max"),
    # one operand
    "aten.relu.default": el.unary("Relu"),
    "aten.relu6.default": el.relu6,
    "aten.hardtanh.default": el.clip,
    "aten.clamp.default": el.clamp,
    "aten.clamp_min.default": el.clamp,
    "aten.clamp_max.default": el.clamp_max,
    "aten.leaky_relu.default": el.leaky_relu,
    "aten.prelu.default": el.prelu,
    "aten.sigmoid.default": el.unary("Sigmoid"),
    "aten.hardsigmoid.default": el.unary("HardSigmoid", alpha=1 / 6, beta=0.5),
    "aten.hardswish.default": el.unary("HardSwish"),
    "aten.silu.default": el.silu,
    "aten.gelu.default": el.gelu,
    "aten.tanh.default": el.unary("Tanh"),
    "aten.erf.default": el.unary("Erf"),
    "aten.exp.default": el.unary("Exp"),
    "aten.sqrt.default": el.unary("Sqrt"),
    "aten.softmax.int": el.softmax,
    # nothing at inference
    "aten.dropout.default": el.same,
    "aten.feature_dropout.default": el.same,
    "aten.clone.default": el.same,
    "aten.contiguous.default": el.same,
    "aten.detach.default": el.same,
    "aten.lift_fresh_copy.default": el.same,
    "aten.alias.default": el.same,
    "aten.to.dtype": el.cast,
    "aten.to.device": el.cast,
    "aten._to_copy.default": el.cast,
    # shape
    "aten.view.default": shapes.reshape,
    "aten.reshape.default": shapes.reshape,
    "aten.reshape_as.default": shapes.reshape,
    "aten.view_as.default": shapes.reshape,
    "aten.flatten.using_ints": shapes.reshape,
    "aten.unflatten.int": shapes.reshape,
    "aten.permute.default": shapes.permute,
    "aten.transpose.int": shapes.transpose,
    "aten.unsqueeze.default": shapes.unsqueeze,
    "aten.squeeze.dim": shapes.squeeze,
    "aten.squeeze.dims": shapes.squeeze,
    "aten.slice.Tensor": shapes.slice_axis,
    "aten.select.int": shapes.select,
    "aten.split.Tensor": shapes.split,
    "aten.split_with_sizes.default": shapes.split,
    "aten.chunk.default": shapes.split,
    "aten.unbind.int": shapes.unbind,
    "aten.cat.default": shapes.concatenate,
    "aten.stack.default": shapes.stack,
    "aten.expand.default": shapes.expand,
    "aten.expand_as.default": shapes.expand,
    "aten.pad.default": shapes.pad,
    "aten.constant_pad_nd.default": shapes.constant_pad,
    "aten.pixel_shuffle.default": shapes.pixel_shuffle,
    "aten.upsample_bilinear2d.vec": shapes.upsample_bilinear,
    "aten.upsample_nearest2d.vec": shapes.upsample_nearest,
}


def key_of(target: object) -> str:
    """Return the table's name of a torch operation; an in-place form has the name of the plain one.

    >>> key_of("aten.relu_.default")
    'aten.relu.default'
    """
    return str(target).replace("_.", ".", 1)  # aten.relu_.default; no plain name has an underscore before its dot


VIEWS = frozenset(
    name
    for name, translation in TABLE.items()
    if translation in (shapes.reshape, shapes.permute, shapes.transpose, shapes.unsqueeze, shapes.squeeze)
    or translation in (shapes.slice_axis, shapes.select, shapes.split, shapes.unbind, shapes.expand, el.same)
)
"""Operations whose result may share memory with their operand."""
