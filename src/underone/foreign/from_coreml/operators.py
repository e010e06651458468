"""Every operation that is read: name → how it becomes nodes of a Graph.

Source: the documentation of the operations in coremltools 9.0 (coremltools.converters.mil.mil.ops.defs), iOS 15 to 17.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import BadFile
from .call import Call

Made = str | list[str]
Rule = Callable[[Call], Made]


def _unary(op: str, **attrs: Any) -> Rule:
    return lambda c: c.add(op, [c.x()], **attrs)


def _binary(op: str) -> Rule:
    return lambda c: c.add(op, [c.x("x"), c.x("y")])


def _reduction(op: str) -> Rule:
    def make(c: Call) -> str:
        return c.add(op, [c.x()], axes=tuple(c.numbers("axes")), keepdims=int(c.number("keep_dims", False)))

    return make


def _position(op: str) -> Rule:
    def make(c: Call) -> str:
        axis, keep = int(c.number("axis", -1)), int(c.number("keep_dims", False))
        return c.add("Cast", [c.add(op, [c.x()], "whole", axis=axis, keepdims=keep)], to="int32")

    return make


def _window(c: Call, rank: int) -> dict[str, Any]:
    """Read strides and padding; MIL has the padding before and after each axis in turn."""
    kind = c.text("pad_type", "valid").lower()
    how: dict[str, Any] = {"strides": tuple(c.numbers("strides", (1,) * rank))}
    if kind == "custom":
        pads = c.numbers("pad", (0,) * 2 * rank)
        return how | {"pads": (*pads[::2], *pads[1::2])}
    padding = {"same": "SAME_UPPER", "same_lower": "SAME_LOWER", "valid": "NOTSET"}
    if kind not in padding:
        raise c.unsupported(f"pad_type {kind!r}")
    return how | {"auto_pad": padding[kind]}


def _conv(c: Call) -> str:
    inputs = [c.x(), c.x("weight"), *c.optional("bias")]
    rank = c.builder.rank(inputs[0]) - 2
    dilations = tuple(c.numbers("dilations", (1,) * rank))
    return c.add("Conv", inputs, **_window(c, rank), dilations=dilations, group=int(c.number("groups", 1)))


def _conv_transpose(c: Call) -> str:
    inputs = [c.x(), c.x("weight"), *c.optional("bias")]
    rank = c.builder.rank(inputs[0]) - 2
    how = _window(c, rank)
    if how.get("auto_pad", "NOTSET") != "NOTSET":
        raise c.unsupported("padding that follows the size")
    how |= {"dilations": tuple(c.numbers("dilations", (1,) * rank)), "group": int(c.number("groups", 1))}
    if c.has("output_shape"):
        how["output_padding"] = _left_over(c, inputs, how, rank)
    return c.add("ConvTranspose", inputs, **how)


def _left_over(c: Call, inputs: Sequence[str], how: Mapping[str, Any], rank: int) -> tuple[int, ...]:
    """Give how much larger the stated output is than what the windows reach."""
    sizes, kernel = c.builder.fixed_shape(inputs[0], range(2, rank + 2)), c.builder.shape(inputs[1])[2:]
    pads, wanted = how.get("pads", (0,) * 2 * rank), c.numbers("output_shape")[-rank:]
    return tuple(
        int(w - ((i - 1) * s + ((k or 1) - 1) * d + 1 - before - after))
        for w, i, s, k, d, before, after in zip(
            wanted, sizes, how["strides"], kernel, how["dilations"], pads[:rank], pads[rank:], strict=True
        )
    )


def _linear(c: Call) -> str:
    x, weight = c.x(), c.x("weight")
    if c.builder.rank(x) == 2:
        return c.add("Gemm", [x, weight, *c.optional("bias")], transB=1)
    turned = c.add("Transpose", [weight], "turned", perm=(1, 0))
    product = c.add("MatMul", [x, turned], "product" if c.has("bias") else "")
    return c.add("Add", [product, c.x("bias")]) if c.has("bias") else product


def _matmul(c: Call) -> str:
    sides = [_turned(c, side, bool(c.number(f"transpose_{side}", False))) for side in ("x", "y")]
    return c.add("MatMul", sides)


def _turned(c: Call, side: str, turn: bool) -> str:
    x = c.x(side)
    rank = c.builder.rank(x)
    if not turn or rank < 2:
        return x
    return c.add("Transpose", [x], f"{side}_turned", perm=(*range(rank - 2), rank - 1, rank - 2))


def _batch_norm(c: Call) -> str:
    x, mean, variance = c.x(), c.x("mean"), c.x("variance")
    shape = c.builder.shape(mean)
    size = shape[0] or 1
    gamma, beta = (
        c.x(n) if c.has(n) else c.constant(np.full(size, fill), mean) for n, fill in (("gamma", 1.0), ("beta", 0.0))
    )
    return c.add("BatchNormalization", [x, gamma, beta, mean, variance], epsilon=float(c.number("epsilon", 1e-5)))


def _instance_norm(c: Call) -> str:
    x = c.x()
    (channels,) = c.builder.fixed_shape(x, [1])
    gamma, beta = (
        c.x(n) if c.has(n) else c.constant(np.full(channels, fill), x) for n, fill in (("gamma", 1.0), ("beta", 0.0))
    )
    return c.add("InstanceNormalization", [x, gamma, beta], epsilon=float(c.number("epsilon", 1e-5)))


def _clip(c: Call) -> str:
    return c.add("Clip", [c.x()], min=float(c.number("alpha", -np.inf)), max=float(c.number("beta", np.inf)))


def _prelu(c: Call) -> str:
    x, slope = c.x(), c.array("alpha")
    column = slope.reshape(-1, *(1,) * (c.builder.rank(x) - 2))
    return c.add("PRelu", [x, c.constant(column, x)])


def _gelu(c: Call) -> str:
    mode = c.text("mode", "EXACT")
    if mode not in ("EXACT", "TANH_APPROXIMATION"):
        raise c.unsupported(f"mode {mode!r}")
    return c.add("Gelu", [c.x()], approximate="none" if mode == "EXACT" else "tanh")


def _shifted(c: Call, default: float) -> str:
    """Give x + epsilon."""
    x = c.x()
    return c.add("Add", [x, c.constant(c.number("epsilon", default), x)], "shifted")


def _pool_window(c: Call, x: str) -> dict[str, Any]:
    kernel = tuple(c.numbers("kernel_sizes"))
    how = _window(c, c.builder.rank(x) - 2)
    return how | {"kernel_shape": kernel, "ceil_mode": int(c.number("ceil_mode", False))}


def _average_pool(c: Call) -> str:
    counted = not c.number("exclude_padding_from_average", False)
    return c.add("AveragePool", [c.x()], **_pool_window(c, c.x()), count_include_pad=int(counted))


def _softmax(c: Call) -> str:
    return c.add("Softmax", [c.x()], axis=int(c.number("axis", -1)))


def _log_sum(c: Call) -> str:
    axes, keep = tuple(c.numbers("axes")), int(c.number("keep_dims", False))
    x = c.x()
    most = c.add("ReduceMax", [x], "most", axes=axes, keepdims=1)
    powers = c.add("Exp", [c.add("Sub", [x, most], "below")], "powers")
    total = c.add("Log", [c.add("ReduceSum", [powers], "sum", axes=axes, keepdims=1)], "log")
    whole = c.add("Add", [total, most], "" if keep else "whole")
    return whole if keep else c.add("Squeeze", [whole], axes=axes or tuple(range(c.builder.rank(x))))


def _reshape(c: Call) -> str:
    return c.add("Reshape", [c.x()], shape=tuple(int(n) for n in c.numbers("shape")))


def _transpose(c: Call) -> str:
    perm = c.numbers("perm")
    return c.add("Transpose", [c.x()], perm=tuple(p % len(perm) for p in perm))


def _gather(c: Call) -> str:
    if c.number("batch_dims", 0):
        raise c.unsupported("batch_dims")
    return c.add("Gather", [c.x(), c.x("indices")], axis=int(c.number("axis", 0)))


def _squeeze(c: Call) -> str:
    x = c.x()
    axes = c.numbers("axes") or [i for i, d in enumerate(c.builder.shape(x)) if d == 1]
    return c.add("Squeeze", [x], axes=tuple(axes))


def _concat(c: Call) -> str:
    if c.number("interleave", False):
        raise c.unsupported("interleave")
    return c.add("Concat", c.xs("values"), axis=int(c.number("axis", 0)))


def _split(c: Call) -> list[str]:
    x, axis = c.x(), int(c.number("axis", 0))
    parts = c.numbers("split_sizes")
    if not parts:
        (size,) = c.builder.fixed_shape(x, [axis])
        count = int(c.number("num_splits", 1))
        if count < 1 or size % count:
            raise BadFile(f"{c.builder.where}: split {c.name!r} of {size} into {count} parts")
        parts = [size // count] * count
    names = [name for name, _ in c.operation.outputs]
    return c.builder.add_many("Split", [x], names, axis=axis, split=tuple(parts))


def _slice(c: Call) -> str:
    x = c.x()
    rank = c.builder.rank(x)
    begin, end = c.numbers("begin"), c.numbers("end")
    stride = c.numbers("stride", (1,) * rank)
    from_start, to_end, squeezed = (
        c.numbers(mask, (False,) * rank) for mask in ("begin_mask", "end_mask", "squeeze_mask")
    )
    if any(len(part) != rank for part in (begin, end, stride, from_start, to_end, squeezed)) or min(stride) < 1:
        raise c.unsupported(f"begin {begin}, end {end}, stride {stride} of {rank} axes")
    gone = tuple(i for i, s in enumerate(squeezed) if s)
    starts = [0 if free else b for b, free in zip(begin, from_start, strict=True)]
    ends = [(1 << 31) - 1 if free else e for e, free in zip(end, to_end, strict=True)]
    for i in gone:  # one element, whatever the end says
        starts[i], ends[i], stride[i] = begin[i], begin[i] + 1 if begin[i] != -1 else (1 << 31) - 1, 1
    how = {"starts": tuple(starts), "ends": tuple(ends), "axes": tuple(range(rank)), "steps": tuple(stride)}
    part = c.add("Slice", [x], "part" if gone else "", **how)
    return c.add("Squeeze", [part], axes=gone) if gone else part


def _pad(c: Call) -> str:
    modes = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}
    mode, x = c.text("mode", "constant"), c.x()
    if mode not in modes:
        raise c.unsupported(f"mode {mode!r}")
    pads = c.numbers("pad")
    free = [0] * (c.builder.rank(x) - len(pads) // 2)  # MIL pads the last axes
    befores, afters = (*free, *pads[::2]), (*free, *pads[1::2])
    return c.add("Pad", [x], pads=befores + afters, mode=modes[mode], value=float(c.number("constant_val", 0.0)))


def _crop(c: Call) -> str:
    x = c.x()
    (top, bottom), (left, right) = (tuple(map(int, c.numbers(f"crop_{side}"))) for side in ("height", "width"))
    free = (0,) * (c.builder.rank(x) - 2)
    return c.add("Pad", [x], pads=(*free, -top, -left, *free, -bottom, -right), mode="constant", value=0.0)


def _thresholded_relu(c: Call) -> str:
    x = c.x()
    above = c.add("GreaterOrEqual", [x, c.constant(c.number("alpha", 1.0), x)], "above")
    return c.add("Where", [above, x, c.constant(0, x)])


# sampling_mode of MIL -> coordinate_transformation_mode
_SAMPLING = {
    "STRICT_ALIGN_CORNERS": "align_corners", "ALIGN_CORNERS": "align_corners", "DEFAULT": "asymmetric",
    "UNALIGN_CORNERS": "half_pixel",
}  # fmt: skip


def _resize_to_target(c: Call) -> str:
    mode, x = c.text("sampling_mode", "DEFAULT"), c.x()
    target = [int(c.number(f"target_size_{side}", 1)) for side in ("height", "width")]
    if mode not in _SAMPLING or (mode == "ALIGN_CORNERS" and 1 in target):
        raise c.unsupported(f"sampling_mode {mode!r}")
    sizes = (*(0,) * (c.builder.rank(x) - 2), *target)
    return c.add("Resize", [x], sizes=sizes, mode="linear", coordinate_transformation_mode=_SAMPLING[mode])


def _upsample(c: Call, **how: Any) -> str:
    x = c.x()
    factors = [float(c.number(f"scale_factor_{side}", 1)) for side in ("height", "width")]
    return c.add("Resize", [x], scales=(*(1.0,) * (c.builder.rank(x) - 2), *factors), **how)


def _upsample_bilinear(c: Call) -> str:
    centres = bool(c.number("half_pixel_centers", not c.number("align_corners", True)))
    corners = "align_corners" if c.number("align_corners", True) else "half_pixel" if centres else "asymmetric"
    return _upsample(c, mode="linear", coordinate_transformation_mode=corners)


def _upsample_nearest(c: Call) -> str:
    return _upsample(c, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")


_CASTS = {"fp32": "float32", "fp16": "float16", "int32": "int32", "bool": "bool", "int16": "int16", "int8": "int8",
          "uint8": "uint8", "uint16": "uint16"}  # fmt: skip


def _cast(c: Call) -> str:
    kind = c.text("dtype")
    if kind not in _CASTS:
        raise c.unsupported(f"dtype {kind!r}")
    return c.add("Cast", [c.x()], to=_CASTS[kind])


def _silu(c: Call) -> str:
    x = c.x()
    return c.add("Mul", [x, c.add("Sigmoid", [x], "gate")])


def _linear_activation(c: Call) -> str:
    x = c.x()
    scaled = c.add("Mul", [x, c.constant(c.number("alpha", 1.0), x)], "scaled")
    return c.add("Add", [scaled, c.constant(c.number("beta", 0.0), x)])


def _sigmoid_hard(c: Call) -> str:
    return c.add("HardSigmoid", [c.x()], alpha=float(c.number("alpha", 0.2)), beta=float(c.number("beta", 0.5)))


def _rounded(op: str) -> Rule:
    """Give the rule of an operation between numbers and the bytes that they are rounded to."""

    def make(c: Call) -> str:
        x, scale = c.x("input"), c.array("scale")
        zero = c.array("zero_point") if c.has("zero_point") else None
        if zero is None:
            dtype = c.text("output_dtype") if op == "QuantizeLinear" else np.dtype(c.builder.dtype(x)).name
            if dtype not in ("int8", "uint8"):
                raise c.unsupported(f"bytes of type {dtype!r}")
            zero = np.zeros(scale.shape, dtype)
        fixed = [c.builder.constant(f"{c.name}/{part}", value) for part, value in (("scale", scale), ("zero", zero))]
        return c.add(op, [x, *fixed], axis=int(c.number("axis", 1)))

    return make


RULES: Mapping[str, Rule] = {
    # products
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "linear": _linear,
    "matmul": _matmul,
    # whole numbers
    "quantize": _rounded("QuantizeLinear"),
    "dequantize": _rounded("DequantizeLinear"),
    # normalisation
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "softmax": _softmax,
    # functions of one element
    "clip": _clip,
    "relu6": _unary("Clip", min=0.0, max=6.0),
    "leaky_relu": lambda c: c.add("LeakyRelu", [c.x()], alpha=float(c.number("alpha", 0.01))),
    "elu": lambda c: c.add("Elu", [c.x()], alpha=float(c.number("alpha", 1.0))),
    "threshold": lambda c: c.add("Max", [c.x(), c.constant(c.number("alpha", 0.0), c.x())]),
    "thresholded_relu": _thresholded_relu,
    "sigmoid_hard": _sigmoid_hard,
    "linear_activation": _linear_activation,
    "gelu": _gelu,
    "prelu": _prelu,
    "silu": _silu,
    "cast": _cast,
    "inverse": lambda c: c.add("Reciprocal", [_shifted(c, 1e-4)]),
    "log": lambda c: c.add("Log", [_shifted(c, 1e-45)]),
    "rsqrt": lambda c: c.add("Reciprocal", [c.add("Sqrt", [_shifted(c, 1e-12)], "root")]),
    "square": lambda c: c.add("Mul", [c.x(), c.x()]),
    "abs": _unary("Abs"),
    "ceil": _unary("Ceil"),
    "cos": _unary("Cos"),
    "erf": _unary("Erf"),
    "exp": _unary("Exp"),
    "floor": _unary("Floor"),
    "identity": _unary("Identity"),
    "logical_not": _unary("Not"),
    "relu": _unary("Relu"),
    "round": _unary("Round"),
    "sigmoid": _unary("Sigmoid"),
    "sign": _unary("Sign"),
    "sin": _unary("Sin"),
    "softplus": _unary("Softplus"),
    "sqrt": _unary("Sqrt"),
    "tanh": _unary("Tanh"),
    # arithmetic with broadcasting
    "add": _binary("Add"),
    "sub": _binary("Sub"),
    "mul": _binary("Mul"),
    "real_div": _binary("Div"),
    "pow": _binary("Pow"),
    "maximum": _binary("Max"),
    "minimum": _binary("Min"),
    "logical_and": _binary("And"),
    "logical_or": _binary("Or"),
    "equal": _binary("Equal"),
    "greater": _binary("Greater"),
    "greater_equal": _binary("GreaterOrEqual"),
    "less": _binary("Less"),
    "less_equal": _binary("LessOrEqual"),
    "select": lambda c: c.add("Where", [c.x("cond"), c.x("a"), c.x("b")]),
    # pools and reductions
    "avg_pool": _average_pool,
    "max_pool": lambda c: c.add("MaxPool", [c.x()], **_pool_window(c, c.x())),
    "reduce_mean": _reduction("ReduceMean"),
    "reduce_sum": _reduction("ReduceSum"),
    "reduce_max": _reduction("ReduceMax"),
    "reduce_min": _reduction("ReduceMin"),
    "reduce_prod": _reduction("ReduceProd"),
    "reduce_l2_norm": _reduction("ReduceL2"),
    "reduce_sum_square": _reduction("ReduceSumSquare"),
    "reduce_log_sum_exp": _log_sum,
    "reduce_argmax": _position("ArgMax"),
    "reduce_argmin": _position("ArgMin"),
    # layout
    "reshape": _reshape,
    "squeeze": _squeeze,
    "expand_dims": lambda c: c.add("Unsqueeze", [c.x()], axes=tuple(c.numbers("axes"))),
    "transpose": _transpose,
    "concat": _concat,
    "split": _split,
    "slice_by_index": _slice,
    "gather": _gather,
    "tile": lambda c: c.add("Tile", [c.x()], repeats=tuple(c.numbers("reps"))),
    "pad": _pad,
    "crop": _crop,
    "resize_bilinear": _resize_to_target,
    "upsample_bilinear": _upsample_bilinear,
    "upsample_nearest_neighbor": _upsample_nearest,
    "depth_to_space": lambda c: c.add("DepthToSpace", [c.x()], blocksize=int(c.number("block_size", 1))),
    "pixel_shuffle": lambda c: c.add("DepthToSpace", [c.x()], blocksize=int(c.number("upscale_factor", 1)), mode="CRD"),
    "space_to_depth": lambda c: c.add("SpaceToDepth", [c.x()], blocksize=int(c.number("block_size", 1))),
}
