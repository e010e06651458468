"""Layers on channels-last tensors, (N, H, W, C), as nodes of a Graph, with TensorFlow's rules of padding and resizing.

Each layer that needs channels first stands between two transposes; `Builder.finish` moves these away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import BadFile
from ..graph.shape_rules import window_pads
from .builder import TO_FIRST, TO_LAST, Builder

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """How a window moves over a map.

    Attributes:
        strides: (down, right) in pixels.
        dilations: distance between neighbouring taps, (down, right) in pixels.
        padding: "SAME": as many outputs as size / stride, rounded up, the odd pixel below and right; "VALID": none; or
            ((top, bottom), (left, right)) in pixels.
    """

    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    padding: Literal["SAME", "VALID"] | tuple[Pair, Pair] = "VALID"

    def attrs(self, builder: Builder, x: str, kernel: Pair) -> dict[str, Any]:
        """Give the attributes of the window over x (N, H, W, C); pads are written out where the size is known.

        Raises:
            BadFile: x has another number of axes, or a stride or dilation is below 1.
        """
        _check_rank(builder, x)
        if min(*self.strides, *self.dilations) < 1:
            raise BadFile(f"{builder.where}: tensor {x!r} meets {self}; strides and dilations from 1 up are required")
        attrs: dict[str, Any] = {"strides": self.strides, "dilations": self.dilations, "auto_pad": "NOTSET"}
        if isinstance(self.padding, tuple):
            (top, bottom), (left, right) = self.padding
            return attrs | {"pads": (top, left, bottom, right)}
        if self.padding == "VALID":
            return attrs | {"pads": (0, 0, 0, 0)}
        same = attrs | {"auto_pad": "SAME_UPPER"}
        sizes = builder.shape(x)[1:3]
        if None in sizes and self.strides != (1, 1):
            return same | {"pads": (0, 0, 0, 0)}  # follows the size at run time
        # at stride 1 the padding is the same for every size
        pairs = window_pads(tuple(d or 64 for d in sizes), kernel, same)
        return attrs | {"pads": (pairs[0][0], pairs[1][0], pairs[0][1], pairs[1][1])}


def channels_first(builder: Builder, x: str) -> str:
    """Give x (N, H, W, C) as (N, C, H, W).

    Raises:
        BadFile: x has another number of axes.
    """
    _check_rank(builder, x)
    return builder.add("Transpose", [x], f"{x}/first", perm=TO_FIRST)


def _check_rank(builder: Builder, x: str) -> None:
    if builder.rank(x) != 4:
        raise BadFile(f"{builder.where}: tensor {x!r} has shape {builder.shape(x)}; (N, H, W, C) is required")


def channels_last(builder: Builder, x: str, name: str) -> str:
    """Give x (N, C, H, W) as (N, H, W, C)."""
    return builder.add("Transpose", [x], name, perm=TO_LAST)


def convolution(
    builder: Builder, x: str, weight: str, bias: str | None, window: Window, name: str, group: int = 1
) -> str:
    """Convolve x (N, H, W, I) with weight (O, I / group, h, w), add bias (O,): (N, H', W', O)."""
    height, width = builder.fixed_shape(weight)[2:]
    attrs = window.attrs(builder, x, (height, width)) | {"group": group}
    operands = [channels_first(builder, x), weight, *([bias] if bias else [])]
    return channels_last(builder, builder.add("Conv", operands, f"{name}/conv", **attrs), name)


def transposed_convolution(
    builder: Builder, x: str, weight: str, bias: str | None, window: Window, size: Pair | None, name: str,
    group: int = 1,
) -> str:  # fmt: skip
    """Spread x (N, H, W, I) by weight (I, O / group, h, w), add bias (O,): the adjoint of a convolution.

    Args:
        builder: takes the nodes.
        x: the tensor.
        weight: a constant.
        bias: a constant, or None.
        window: of the convolution whose adjoint this is.
        size: (height, width) of the result; None: size times stride for SAME, the smallest for VALID.
        name: of the result.
        group: as in `convolution`.

    Raises:
        Unsupported: the size of x is open and `size` is given.
        BadFile: `size` is none that the convolution can have.
    """
    kernel = builder.fixed_shape(weight)[2:]
    down, right = (_spread(builder, x, window, size, axis, kernel[axis], name) for axis in (0, 1))
    operands = [channels_first(builder, x), weight, *([bias] if bias else [])]
    made = builder.add(
        "ConvTranspose", operands, f"{name}/conv", group=group,
        strides=window.strides, dilations=window.dilations,
        pads=(down[0], right[0], down[1], right[1]), output_padding=(down[2], right[2]),
    )  # fmt: skip
    return channels_last(builder, made, name)


def _spread(
    builder: Builder, x: str, window: Window, size: Pair | None, axis: int, kernel: int, name: str
) -> tuple[int, int, int]:
    """Give (pad before, pad after, output padding) along one axis: the spread map is cut to the size wanted."""
    surplus = _surplus(builder, x, window, size, axis, kernel)
    explicit = window.padding[axis][0] if isinstance(window.padding, tuple) else 0
    before = max(surplus, 0) // 2 if window.padding == "SAME" else explicit
    after = surplus - before
    if (window.padding == "VALID" and after > 0) or after <= -max(window.strides[axis], 2):
        raise BadFile(
            f"{builder.where}: {name!r}: size {size} does not follow from {builder.shape(x)}, kernel {kernel}, {window}"
        )
    return before, max(after, 0), max(-after, 0)


def _surplus(builder: Builder, x: str, window: Window, size: Pair | None, axis: int, kernel: int) -> int:
    """Count the pixels by which the spread map is larger than the result, negative where it is smaller."""
    stride, reach = window.strides[axis], (kernel - 1) * window.dilations[axis] + 1
    if size is not None:
        return (builder.fixed_shape(x, [1 + axis])[0] - 1) * stride + reach - size[axis]
    if isinstance(window.padding, tuple):
        return sum(window.padding[axis])
    return reach - stride if window.padding == "SAME" else min(reach - stride, 0)


def pool(
    builder: Builder, op: Literal["MaxPool", "AveragePool"], x: str, kernel: Pair, window: Window, name: str
) -> str:
    """Pool x (N, H, W, C); padding counts in no mean and wins no maximum."""
    attrs = window.attrs(builder, x, kernel) | {"kernel_shape": kernel}
    return channels_last(builder, builder.add(op, [channels_first(builder, x)], f"{name}/pool", **attrs), name)


def batch_norm(
    builder: Builder, x: str, scale: str, shift: str, mean: str, variance: str, epsilon: float, name: str
) -> str:
    """Normalise x (N, H, W, C) by stored statistics, constants of shape (C,)."""
    operands = [channels_first(builder, x), scale, shift, mean, variance]
    return channels_last(builder, builder.add("BatchNormalization", operands, f"{name}/norm", epsilon=epsilon), name)


_COORDINATES: Mapping[tuple[bool, bool], tuple[str, str]] = {
    # (align_corners, half_pixel_centers) -> (positions, rounding of the nearest one)
    (False, False): ("asymmetric", "floor"),
    (True, False): ("align_corners", "round_prefer_ceil"),
    (False, True): ("half_pixel", "round_prefer_ceil"),
}


def resize(
    builder: Builder, mode: Literal["linear", "nearest", "cubic"], x: str, size: Pair, name: str,
    align_corners: bool = False, half_pixel: bool = False,
) -> str:  # fmt: skip
    """Resize x (N, H, W, C) to size (height, width).

    Source: TensorFlow 2.21, core/util/image_resizer_state.h (scales, half-pixel centres).

    Raises:
        BadFile: both rules of coordinates at once.
    """
    if align_corners and half_pixel:
        raise BadFile(f"{builder.where}: {name!r} asks for align_corners and half_pixel_centers; one is possible")
    positions, rounding = _COORDINATES[align_corners, half_pixel]
    attrs: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": positions, "nearest_mode": rounding}
    made = builder.add("Resize", [channels_first(builder, x)], f"{name}/resize", sizes=(0, 0, *size), **attrs)
    return channels_last(builder, made, name)


def dense(builder: Builder, x: str, weight: str, bias: str | None, name: str) -> str:
    """Multiply the last axis of x (…, I) by weight (O, I), add bias (O,): (…, O)."""
    if builder.rank(x) == 2:
        return builder.add("Gemm", [x, weight, *([bias] if bias else [])], name, transB=1)
    turned = builder.add("Transpose", [weight], f"{name}/weight", perm=(1, 0))
    product = builder.add("MatMul", [x, turned], f"{name}/product" if bias else name)
    return builder.add("Add", [product, bias], name) if bias else product


def space_block(builder: Builder, op: Literal["DepthToSpace", "SpaceToDepth"], x: str, block: int, name: str) -> str:
    """Move blocks of channels of x (N, H, W, C) into space, or back."""
    made = builder.add(op, [channels_first(builder, x)], f"{name}/blocks", blocksize=block)
    return channels_last(builder, made, name)


def pad(builder: Builder, x: str, pairs: Sequence[Pair], name: str, value: float = 0.0, mode: str = "constant") -> str:
    """Pad every axis of x by (before, after)."""
    pads = (*(p[0] for p in pairs), *(p[1] for p in pairs))
    return builder.add("Pad", [x], name, pads=pads, mode=mode, value=value)


_CLIPS: Mapping[str, Pair] = {"RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1), "RELU_0_TO_1": (0, 1)}
_FUNCTIONS: Mapping[str, str] = {"RELU": "Relu", "TANH": "Tanh", "SIGMOID": "Sigmoid"}


def activation(builder: Builder, kind: str, x: str, name: str) -> str:
    """Apply an activation by TensorFlow's name; "NONE" gives x itself.

    Raises:
        BadFile: no such activation.
    """
    if kind == "NONE":
        return x
    if kind in _CLIPS:
        low, high = _CLIPS[kind]
        return builder.add("Clip", [x], name, min=float(low), max=float(high))
    if kind in _FUNCTIONS:
        return builder.add(_FUNCTIONS[kind], [x], name)
    raise BadFile(f"{builder.where}: {name!r} has the activation {kind}; one of {[*_CLIPS, *_FUNCTIONS]} is read")
