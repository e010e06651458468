"""torch operations with a kernel, a window or statistics, and what the Graph says instead."""
# ruff: noqa: ARG001 - the arguments are those of the torch operations, needed or not

import math
from collections.abc import Sequence
from typing import Any

import torch

from ..errors import Unsupported
from ..spec import Shape
from .emit import Emitter, Number, Ref, Translation, axes_of, fixed, target
from .shapes import transpose


def convolution(
    e: Emitter,
    x: Ref,
    weight: Ref,
    bias: Ref | None = None,
    stride: Sequence[int] = (1,),
    padding: Any = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Ref:
    """Translate conv1d and conv2d."""
    rank = len(weight.shape) - 2
    strides, dilations = _repeat(stride, rank), _repeat(dilation, rank)
    pads = _named_padding(padding, weight.shape, dilations) if isinstance(padding, str) else _repeat(padding, rank) * 2
    return e.emit(
        "Conv", x, weight, bias, strides=strides, pads=pads, dilations=dilations, group=groups, auto_pad="NOTSET"
    )


def transposed_convolution(
    e: Emitter,
    x: Ref,
    weight: Ref,
    bias: Ref | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    output_padding: Sequence[int] = (0,),
    groups: int = 1,
    dilation: Sequence[int] = (1,),
) -> Ref:
    """Translate conv_transpose2d."""
    rank = len(weight.shape) - 2
    return e.emit(
        "ConvTranspose",
        x,
        weight,
        bias,
        strides=_repeat(stride, rank),
        pads=_repeat(padding, rank) * 2,
        output_padding=_repeat(output_padding, rank),
        dilations=_repeat(dilation, rank),
        group=groups,
        auto_pad="NOTSET",
    )


def linear(e: Emitter, x: Ref, weight: Ref, bias: Ref | None = None) -> Ref:
    """Translate linear: Gemm for rows, MatMul for more dimensions."""
    if len(x.shape) == 2:
        return e.emit("Gemm", x, weight, bias, alpha=1.0, beta=1.0, transA=0, transB=1)
    value = e.known(weight, "weight of a linear layer")
    turned = Ref(f"{weight.name}.T", tuple(value.T.shape), value.T)  # (in, out)
    product = e.emit("MatMul", x, turned)
    return product if bias is None else e.emit("Add", product, bias)


def add_product(e: Emitter, bias: Ref, a: Ref, b: Ref, *, beta: Number = 1, alpha: Number = 1) -> Ref:
    """Translate addmm."""
    return e.emit("Gemm", a, b, bias, alpha=float(alpha), beta=float(beta), transA=0, transB=0)


def attention(
    e: Emitter,
    query: Ref,
    key: Ref,
    value: Ref,
    attn_mask: Ref | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Ref:
    """Translate scaled_dot_product_attention, (N, heads, tokens, size) each."""
    if is_causal or enable_gqa or dropout_p:
        raise Unsupported("attention with a causal mask, grouped queries or dropout is not implemented")
    size, tokens = query.shape[-1], key.shape[-2]
    assert size is not None
    scores_shape = (*query.shape[:-1], tokens)
    turned = transpose(e, key, -1, -2, gives=(*key.shape[:-2], key.shape[-1], tokens))
    scores = e.emit("MatMul", query, turned, gives=scores_shape)
    scores = e.emit("Mul", scores, e.constant("scale", scale or size**-0.5), gives=scores_shape)
    if attn_mask is not None:
        scores = e.emit("Add", scores, attn_mask, gives=scores_shape)
    return e.emit("MatMul", e.emit("Softmax", scores, axis=-1, gives=scores_shape), value)


def batch_norm(
    e: Emitter,
    x: Ref,
    weight: Ref | None,
    bias: Ref | None,
    mean: Ref | None,
    var: Ref | None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    cudnn: bool = False,
) -> Ref:
    """Translate batch_norm with running statistics."""
    if training or mean is None or var is None:
        raise Unsupported("a batch norm without running statistics depends on the other images of the batch")
    scale, shift = weight or e.constant("scale", torch.ones(fixed(mean.shape))), bias or _zeros_like(e, mean)
    return e.emit("BatchNormalization", x, scale, shift, mean, var, epsilon=eps)


def layer_norm(
    e: Emitter,
    x: Ref,
    normalized_shape: Sequence[int],
    weight: Ref | None = None,
    bias: Ref | None = None,
    eps: float = 1e-5,
    cudnn: bool = False,
) -> Ref:
    """Translate layer_norm."""
    scale = weight or e.constant("scale", torch.ones(tuple(normalized_shape)))
    return e.emit("LayerNormalization", x, scale, bias, axis=-len(normalized_shape), epsilon=eps)


def group_norm(
    e: Emitter,
    x: Ref,
    groups: int,
    weight: Ref | None = None,
    bias: Ref | None = None,
    eps: float = 1e-5,
    cudnn: bool = False,
) -> Ref:
    """Translate group_norm: each group as one row that is normalised, then scale and shift per channel."""
    channels, *rest = x.shape[1:]
    assert channels is not None
    row = math.prod(size for size in x.shape[1:] if size is not None) // groups
    rows = e.emit("Reshape", x, shape=(-1, groups, row), gives=(x.shape[0], groups, row))
    ones = e.constant("ones", torch.ones(row))
    normal = e.emit("LayerNormalization", rows, ones, axis=-1, epsilon=eps, gives=rows.shape)
    y = e.emit("Reshape", normal, shape=target(x.shape))
    for op, factor in (("Mul", weight), ("Add", bias)):
        if factor is not None:
            value = e.known(factor, "weight of a group norm").reshape(channels, *[1] * len(rest))  # (C, 1, 1)
            y = e.emit(op, y, Ref(f"{factor.name}.channels", tuple(value.shape), value))
    return y


def adaptive_avg_pool(e: Emitter, x: Ref, output_size: Sequence[int]) -> Ref:
    """Translate adaptive_avg_pool2d where every window has the same size."""
    if all(out == 1 for out in e.shape[2:]):
        return e.emit("GlobalAveragePool", x)
    sizes = list(zip(fixed(x.shape[2:]), fixed(e.shape[2:]), strict=True))
    if any(size % out for size, out in sizes):
        raise Unsupported(f"adaptive pooling from {x.shape[2:]} to {e.shape[2:]} has windows of several sizes")
    kernel = tuple(size // out for size, out in sizes)
    return _pool(e, "AveragePool", x, kernel, kernel, (0,), False, count_include_pad=1)


def adaptive_max_pool(e: Emitter, x: Ref, output_size: Sequence[int]) -> list[Ref]:
    """Translate adaptive_max_pool2d to one pixel; torch gives the places of the maxima too, which nothing reads."""
    if any(size != 1 for size in e.shapes[0][2:]):
        raise Unsupported(f"adaptive max pooling to {e.shapes[0][2:]}; only one pixel is implemented")
    return [e.emit("GlobalMaxPool", x, gives=e.shapes[0])]


def avg_pool(
    e: Emitter,
    x: Ref,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Ref:
    """Translate avg_pool2d."""
    if divisor_override is not None:
        raise Unsupported("avg_pool2d with divisor_override is not implemented")
    return _pool(
        e, "AveragePool", x, kernel, stride or kernel, padding, ceil_mode, count_include_pad=int(count_include_pad)
    )


def max_pool(
    e: Emitter,
    x: Ref,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Ref:
    """Translate max_pool2d."""
    return _pool(e, "MaxPool", x, kernel, stride or kernel, padding, ceil_mode, dilations=_repeat(dilation, 2))


def mean(e: Emitter, x: Ref, dims: Sequence[int], keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Ref:
    """Translate mean.dim: GlobalAveragePool over height and width, ReduceMean otherwise."""
    axes = axes_of(dims, len(x.shape))
    if axes != (2, 3) or len(x.shape) != 4:
        return e.emit("ReduceMean", x, axes=axes, keepdims=int(keepdim))
    pooled = e.emit("GlobalAveragePool", x, gives=(*x.shape[:2], 1, 1))
    return pooled if keepdim else e.emit("Flatten", pooled, axis=1)


def reduction(op: str) -> Translation:
    """Make the translation of a sum or maximum over axes."""

    def translate(e: Emitter, x: Ref, dims: Sequence[int], keepdim: bool = False, **_: Any) -> Ref:
        return e.emit(op, x, axes=axes_of(dims, len(x.shape)), keepdims=int(keepdim))

    return translate


def argmax(e: Emitter, x: Ref, dim: int, keepdim: bool = False) -> Ref:
    """Translate argmax."""
    return e.emit("ArgMax", x, axis=dim, keepdims=int(keepdim))


def _repeat(values: Sequence[int] | int, rank: int) -> tuple[int, ...]:
    """Write a setting once per axis; torch may give one number for all."""
    given = (values,) if isinstance(values, int) else tuple(values)
    return given * rank if len(given) == 1 else given


def _named_padding(name: Any, weight: Shape, dilations: Sequence[int]) -> tuple[int, ...]:
    if name == "valid":
        return (0,) * 2 * len(dilations)
    reach = [d * (k - 1) for k, d in zip(fixed(weight[2:]), dilations, strict=True)]
    return tuple(r // 2 for r in reach) + tuple(r - r // 2 for r in reach)


def _pool(
    e: Emitter,
    op: str,
    x: Ref,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    **attrs: Any,
) -> Ref:
    rank = len(x.shape) - 2
    return e.emit(
        op,
        x,
        kernel_shape=_repeat(kernel, rank),
        strides=_repeat(stride, rank),
        pads=_repeat(padding, rank) * 2,
        ceil_mode=int(ceil_mode),
        auto_pad="NOTSET",
        **attrs,
    )


def _zeros_like(e: Emitter, ref: Ref) -> Ref:
    return e.constant("shift", torch.zeros(fixed(ref.shape)))
