"""How ONNX writes an operator and how the Graph does: the differences, by opset.

What is fixed is an attribute in a Graph; ONNX passes some of it as operands, more of it with each opset. `OPERANDS`
says which; `NORMAL` brings what is left (defaults that depend on shapes, renamed operators) to the one form.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import onnx

from ..errors import BadFile, Unsupported
from .numpy_resize import COORDINATES, MODES, NEAREST
from .onnx_tensor import DTYPE_NAMES
from .shape_rules import axes_of, elements
from .shapes import TensorType

Attributes = dict[str, Any]


class Fixed(NamedTuple):
    """Operands that are attributes in a Graph, from `opset` on, starting at `position`."""

    opset: int
    position: int
    names: tuple[str, ...]


_REDUCTIONS = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2", "ReduceSumSquare")

OPERANDS: Mapping[str, Fixed] = {
    "Clip": Fixed(11, 1, ("min", "max")),
    "ConstantOfShape": Fixed(9, 0, ("shape",)),
    "Expand": Fixed(8, 1, ("shape",)),
    "Pad": Fixed(11, 1, ("pads", "value", "axes")),
    "Range": Fixed(11, 0, ("start", "limit", "delta")),
    "ReduceSum": Fixed(13, 1, ("axes",)),
    "Reshape": Fixed(5, 1, ("shape",)),
    "Resize": Fixed(11, 1, ("roi", "scales", "sizes")),
    "Slice": Fixed(10, 1, ("starts", "ends", "axes", "steps")),
    "Split": Fixed(13, 1, ("split",)),
    "Squeeze": Fixed(13, 1, ("axes",)),
    "Tile": Fixed(6, 1, ("repeats",)),
    "Unsqueeze": Fixed(13, 1, ("axes",)),
    "Upsample": Fixed(9, 1, ("scales",)),
    **dict.fromkeys(_REDUCTIONS, Fixed(18, 1, ("axes",))),
}

SCALARS = frozenset(("min", "max", "value", "start", "limit", "delta"))

# read and left out: true of every file, or without a meaning at inference
IGNORED: Mapping[str, frozenset[str]] = {
    "BatchNormalization": frozenset(("momentum",)),
    "Cast": frozenset(("saturate", "round_mode")),  # float8 only
    "Conv": frozenset(("kernel_shape",)),
    "ConvInteger": frozenset(("kernel_shape",)),
    "ConvTranspose": frozenset(("kernel_shape",)),
    "LayerNormalization": frozenset(("stash_type",)),
    "MaxPool": frozenset(("storage_order",)),  # order of the indices, which are not read
    "QLinearConv": frozenset(("kernel_shape",)),
    "QuantizeLinear": frozenset(("saturate",)),  # float8 only
}

VANISHING = frozenset(("Identity", "Dropout"))
RENAMED: Mapping[str, str] = {"Upsample": "Resize"}


def fixed_operands(op: str, opset: int) -> Fixed:
    """Say which operands of an operator are attributes in a Graph; of none when it is older than the change."""
    fixed = OPERANDS.get(op, Fixed(0, 99, ()))
    if op == "Resize" and opset == 10:
        return Fixed(10, 1, ("scales",))
    return fixed if opset >= fixed.opset else Fixed(0, 99, ())


class Written(NamedTuple):
    """A node as a file has it.

    Attributes:
        attrs: attributes, fixed operands among them.
        types: types of the other operands.
        opset: the file's.
        outputs: how many the node has.
    """

    attrs: Attributes
    types: Sequence[TensorType]
    opset: int
    outputs: int


def _window(w: Written) -> Attributes:
    auto = w.attrs.get("auto_pad", "NOTSET")
    if auto == "NOTSET":
        return w.attrs
    attrs = {k: v for k, v in w.attrs.items() if k != "pads"}
    return attrs | ({"auto_pad": "NOTSET"} if auto == "VALID" else {})


def _transposed(w: Written) -> Attributes:
    if w.attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise Unsupported("auto_pad of a transposed convolution; write pads")
    return _window(w)


def _clip(w: Written) -> Attributes:
    largest = 3.4028234e38  # what opset 6 writes for "no limit"
    limits = {k: float(v) for k, v in w.attrs.items() if k in ("min", "max")}
    return {k: v if abs(v) < largest else math.copysign(math.inf, v) for k, v in limits.items()}


def _softmax(w: Written) -> Attributes:
    if w.opset >= 13:
        return w.attrs
    shape = w.types[0].shape
    (axis,) = axes_of((w.attrs.get("axis", 1),), len(shape))
    if elements(shape[axis:]) != shape[axis]:
        raise Unsupported(f"softmax over all axes of {shape} from {axis} on, as before opset 13; write it for opset 13")
    return {"axis": axis}


def _slice(w: Written) -> Attributes:
    count = len(w.attrs.get("starts", ()))
    return {"axes": tuple(range(count)), "steps": (1,) * count} | w.attrs


def _squeeze(w: Written) -> Attributes:
    return {"axes": tuple(i for i, d in enumerate(w.types[0].shape) if d == 1)} | w.attrs


def _split(w: Written) -> Attributes:
    attrs = {k: v for k, v in w.attrs.items() if k != "num_outputs"}
    if "split" in attrs:
        return attrs
    shape, parts = w.types[0].shape, w.outputs
    (axis,) = axes_of((attrs.get("axis", 0),), len(shape))
    if w.attrs.get("num_outputs", parts) != parts:
        raise BadFile(f"num_outputs is {w.attrs['num_outputs']}, but there are {parts} outputs")
    part = -(-shape[axis] // parts)  # the last one may be smaller
    return attrs | {"split": (part,) * (parts - 1) + (shape[axis] - part * (parts - 1),)}


def _pad(w: Written) -> Attributes:
    rank, pads = len(w.types[0].shape), tuple(w.attrs.get("pads", ()))
    axes = axes_of(w.attrs.get("axes", range(rank)), rank)
    if len(pads) != 2 * len(axes):
        raise BadFile(f"pads {pads} for the axes {axes}; {2 * len(axes)} values are required")
    before, after = (dict(zip(axes, half, strict=True)) for half in (pads[: len(axes)], pads[len(axes) :]))
    full = tuple(side.get(i, 0) for side in (before, after) for i in range(rank))
    return {k: v for k, v in w.attrs.items() if k != "axes"} | {"pads": full}


def _resize(w: Written) -> Attributes:
    shape = w.types[0].shape
    axes = axes_of(w.attrs.get("axes", range(len(shape))), len(shape))
    # the region of interest means nothing but in tf_crop_and_resize, which is not read
    attrs = {k: v for k, v in w.attrs.items() if k not in ("axes", "roi")}
    sizes, scales = (_all_axes(attrs.get(k, ()), axes, len(shape), rest) for k, rest in (("sizes", 0), ("scales", 1.0)))
    # a written batch or channel size that changes nothing is no size, so that the graph takes any batch
    sizes = tuple(0 if i < 2 and s == shape[i] else s for i, s in enumerate(sizes))
    old = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"} if w.opset <= 10 else {}
    attrs = old | attrs | {"sizes": sizes, "scales": scales}
    for name, known in (("mode", MODES), ("coordinate_transformation_mode", COORDINATES), ("nearest_mode", NEAREST)):
        if attrs.get(name, next(iter(known))) not in known:
            raise Unsupported(f"{name} {attrs[name]!r}; {', '.join(known)} are implemented")
    return attrs


def _all_axes(given: tuple[Any, ...], axes: tuple[int, ...], rank: int, rest: float) -> tuple[Any, ...]:
    if not given:
        return ()
    if len(given) != len(axes):
        raise BadFile(f"sizes or scales {given} for the axes {axes}; {len(axes)} values are required")
    by_axis = dict(zip(axes, given, strict=True))
    return tuple(by_axis.get(i, rest) for i in range(rank))


def _reshape(w: Written) -> Attributes:
    if w.attrs.get("allowzero") and 0 in w.attrs.get("shape", ()):
        raise Unsupported("reshape to an empty tensor")
    return {k: v for k, v in w.attrs.items() if k != "allowzero"}


def _transpose(w: Written) -> Attributes:
    return {"perm": tuple(reversed(range(len(w.types[0].shape))))} | w.attrs


def _cast(w: Written) -> Attributes:
    if w.attrs.get("to") not in DTYPE_NAMES:
        raise Unsupported(f"cast to ONNX type {w.attrs.get('to')}; {', '.join(DTYPE_NAMES.values())} are read")
    return {"to": DTYPE_NAMES[w.attrs["to"]]}


def _constant_of_shape(w: Written) -> Attributes:
    value = w.attrs.get("value")
    if value is None:
        return w.attrs
    if value.size != 1:
        raise BadFile(f"a fill of {value.size} values; one is required")
    return w.attrs | {"value": float(value.item()), "dtype": value.dtype.name}


NORMAL: Mapping[str, Callable[[Written], Attributes]] = {
    "AveragePool": _window,
    "Cast": _cast,
    "Clip": _clip,
    "ConstantOfShape": _constant_of_shape,
    "Conv": _window,
    "ConvInteger": _window,
    "ConvTranspose": _transposed,
    "LogSoftmax": _softmax,
    "MaxPool": _window,
    "Pad": _pad,
    "QLinearConv": _window,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Upsample": _resize,
}


def drop_neutral(op: str, attrs: Attributes, known: Mapping[str, Any], opset: int) -> Attributes:
    """Leave out attributes that a Graph does not have, as long as they hold ONNX's default.

    Raises:
        Unsupported: one holds another value.
    """
    kept = {k: v for k, v in attrs.items() if k not in IGNORED.get(op, ())}
    extra = {k: v for k, v in kept.items() if k not in known}
    if not extra:
        return kept
    stated = onnx.defs.get_schema(op, opset, "").attributes if onnx.defs.has(op, opset, "") else {}
    for name, value in extra.items():
        default = stated[name].default_value if name in stated else None
        if default is None or not default.type or onnx.helper.get_attribute_value(default) != _raw(value):
            raise Unsupported(f"attribute {name} is {value!r}; only {', '.join(sorted(known)) or 'none'} may be set")
    return {k: v for k, v in kept.items() if k in known}


def _raw(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value
