"""How ONNX writes an operator and how the Graph does: the differences, by opset.

What is fixed is an attribute in a Graph; ONNX passes some of it as operands, more of it with each opset. `OPERANDS` says
which; `NORMAL` brings what is left (defaults that depend on shapes, renamed operators) to the one form.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import onnx

from ..errors import BadFile, Unsupported
from .onnx_file import DTYPE_NAMES
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


Normaliser = Callable[[Attributes, Sequence[TensorType], int, int], Attributes]  # attrs, operands, opset, outputs


def _window(attrs: Attributes, operands: Sequence[TensorType], opset: int, outputs: int) -> Attributes:
    auto = attrs.get("auto_pad", "NOTSET")
    if auto != "NOTSET":
        attrs = {k: v for k, v in attrs.items() if k != "pads"}
    return attrs | ({"auto_pad": "NOTSET"} if auto == "VALID" else {})


def _transposed(attrs: Attributes, operands: Sequence[TensorType], opset: int, outputs: int) -> Attributes:
    if attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise Unsupported("auto_pad of a transposed convolution; write pads")
    return _window(attrs, operands, opset, outputs)


def _clip(attrs: Attributes, operands: Sequence[TensorType], opset: int, outputs: int) -> Attributes:
    largest = 3.4028234e38  # what opset 6 writes for "no limit"
    opened = {"min": float("-inf"), "max": float("inf")}
    return {k: opened[k] if abs(v) >= largest else float(v) for k, v in attrs.items() if k in opened}


def _softmax(attrs: Attributes, operands: Sequence[TensorType], opset: int, outputs: int) -> Attributes:
    if opset >= 13:
        return attrs
    shape = operands[0].shape
    (axis,) = axes_of((attrs.get("axis", 1),), len(shape))
    if elements(shape[axis:]) != shape[axis]:
        raise Unsupported(f"softmax over all axes of {shape} from {axis} on, as before opset 13; write it for opset 13")
    return {"axis": axis}


def _slice(attrs: Attributes, operands: Sequence[TensorType], opset: int, outputs: int) -> Attributes:
    count = len(attrs.get("starts", ()))
    return {"axes": tuple(range(count)), "steps": (1,) * count} | attrs


def _squeeze(attrs: Attributes, operands: Sequence[TensorType], opset: int, outputs: int) -> Attributes:
    return {"axes": tuple(i for i, d in enumerate(operands[0].shape) if d == 1)} | attrs


def _split(attrs: Attributes, operands: Sequence[TensorType], opset: int, outputs: int) -> Attributes:
    parts = attrs.pop("num_outputs", outputs)
    if "split" in attrs:
        return attrs
    shape = operands[0].shape
    (axis,) = axes_of((attrs.get("axis", 0),), len(shape))
    if parts != outputs or outputs < 1:
        raise BadFile(f"num_outputs {parts}, but {outputs} outputs")
    part = -(-shape[axis] // parts)  # the last one may be smaller
    return attrs | {"split": (part,) * (parts - 1) + (shape[axis] - part * (parts - 1),)}


def _pad(attrs: Attributes, operands: Sequence[TensorType], opset: int, outputs: int) -> Attributes:
    rank, pads = len(operands[0].shape), tuple(attrs.get("pads", ()))
    axes = axes_of(attrs.pop("axes", tuple(range(rank))), rank)
    if len(pads) != 2 * len(axes):
        raise BadFile(f"pads {pads} for the axes {axes}; {2 * len(axes)} values are required")
    before, after = (dict(zip(axes, half, strict=True)) for half in (pads[: len(axes)], pads[len(axes) :]))
    return attrs | {"pads": tuple(side.get(i, 0) for side in (before, after) for i in range(rank))}


def _resize(attrs: Attributes, operands: Sequence[TensorType], opset: int, outputs: int) -> Attributes:
    old = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"} if opset <= 10 else {}
    shape = operands[0].shape
    axes = axes_of(attrs.pop("axes", tuple(range(len(shape)))), len(shape))
    attrs.pop("roi", None)  # only of tf_crop_and_resize, which the shape rule does not take
    for name, neutral in (("sizes", 0), ("scales", 1.0)):
        given = attrs.get(name, ())
        if given and len(given) != len(axes):
            raise BadFile(f"{name} {given} for the axes {axes}")
        by_axis = dict(zip(axes, given, strict=False))
        attrs[name] = tuple(by_axis.get(i, neutral) for i in range(len(shape))) if given else ()
    # a written batch or channel size that changes nothing is no size, so that the graph takes any batch
    attrs["sizes"] = tuple(0 if i < 2 and s == shape[i] else s for i, s in enumerate(attrs["sizes"]))
    return old | attrs


def _reshape(attrs: Attributes, operands: Sequence[TensorType], opset: int, outputs: int) -> Attributes:
    if attrs.pop("allowzero", 0) and 0 in attrs.get("shape", ()):
        raise Unsupported("reshape to an empty tensor")
    return attrs


def _transpose(attrs: Attributes, operands: Sequence[TensorType], opset: int, outputs: int) -> Attributes:
    return {"perm": tuple(reversed(range(len(operands[0].shape))))} | attrs


def _cast(attrs: Attributes, operands: Sequence[TensorType], opset: int, outputs: int) -> Attributes:
    if attrs.get("to") not in DTYPE_NAMES:
        raise Unsupported(f"cast to ONNX type {attrs.get('to')}; {', '.join(DTYPE_NAMES.values())} are read")
    return {"to": DTYPE_NAMES[attrs["to"]]}


def _constant_of_shape(attrs: Attributes, operands: Sequence[TensorType], opset: int, outputs: int) -> Attributes:
    value = attrs.pop("value", None)
    if value is None:
        return attrs
    if value.size != 1:
        raise BadFile(f"a fill of {value.size} values; one is required")
    return attrs | {"value": float(value.item()), "dtype": value.dtype.name}


NORMAL: Mapping[str, Normaliser] = {
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
