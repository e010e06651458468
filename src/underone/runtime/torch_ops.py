"""The operators of a Graph in torch: name → function of (attributes, tensors)."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import Unsupported
from ..graph import Node
from ..graph.layout_rules import resize as resize_shape
from ..graph.layout_rules import slice_parts
from ..graph.numpy_resize import axis_weights
from ..graph.ops import attributes
from ..graph.shape_rules import reached_pads, window_pads
from .walk import Bound

Attrs = Mapping[str, Any]
Operator = Callable[..., Any]
Pairs = Sequence[tuple[int, int]]

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVG_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def conv(a: Attrs, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """Convolve; padding that differs before and after is laid on first."""
    pads = window_pads(tuple(x.shape[2:]), tuple(w.shape[2:]), a)
    if any(before != after for before, after in pads):
        x, pads = _pad(x, pads), [(0, 0)] * len(pads)
    return _CONV[x.ndim - 2](x, w, b, a["strides"], [before for before, _ in pads], a["dilations"], a["group"])


def conv_transpose(a: Attrs, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """Spread x by w, then cut the pads off."""
    full = _CONV_TRANSPOSE[x.ndim - 2](
        x, w, b, a["strides"], output_padding=a["output_padding"], groups=a["group"], dilation=a["dilations"]
    )
    return _pad(full, [(-before, -after) for before, after in window_pads(tuple(x.shape[2:]), tuple(w.shape[2:]), a)])


def max_pool(a: Attrs, x: Tensor) -> Tensor:
    """Take the maximum of each window; padding never wins."""
    pads, reach = _pool_pads(a, x)
    x = _pad(_pad(x, pads, float("-inf")), reach, float("-inf"))
    return _MAX_POOL[x.ndim - 2](x, a["kernel_shape"], a["strides"], dilation=a["dilations"])


def average_pool(a: Attrs, x: Tensor) -> Tensor:
    """Take the mean of each window over its elements in the input, or with count_include_pad in the padded input."""
    if set(a["dilations"]) != {1}:
        raise Unsupported(f"AveragePool with dilations {a['dilations']} is not in torch; use backend 'reference'")
    pool, args = _AVG_POOL[x.ndim - 2], (a["kernel_shape"], a["strides"])
    pads, reach = _pool_pads(a, x)
    inside = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    inside = _pad(_pad(inside, pads, float(a["count_include_pad"])), reach)
    return pool(_pad(_pad(x, pads), reach), *args) / pool(inside, *args)


def gemm(a: Attrs, x: Tensor, w: Tensor, c: Tensor | None = None) -> Tensor:
    """Multiply two matrices, each transposed on request, and add c."""
    x, w = x.T if a["transA"] else x, w.T if a["transB"] else w
    if c is not None and a["alpha"] == a["beta"] == 1:
        return torch.addmm(c, x, w)
    product: Tensor = a["alpha"] * (x @ w)
    return product if c is None else product + a["beta"] * c


def resize(a: Attrs, x: Tensor) -> Tensor:
    """Resample with the reference's own weights, axis by axis."""
    (shape,) = resize_shape([tuple(x.shape)], a)
    for axis, (n, m) in enumerate(zip(x.shape, shape, strict=True)):
        scale = float(a["scales"][axis]) if a["scales"] else m / n
        if n != m or scale != 1:
            weights = torch.tensor(axis_weights(a, n, m, scale), dtype=x.dtype, device=x.device)  # (m, n)
            x = (x.movedim(axis, -1) @ weights.T).movedim(-1, axis)
    return x


def pad(a: Attrs, x: Tensor) -> Tensor:
    """Pad every axis; torch has no reflection of arbitrary axes, so that one goes through indices."""
    half = len(a["pads"]) // 2
    pairs = list(zip(a["pads"][:half], a["pads"][half:], strict=True))
    if a["mode"] == "constant":
        return _pad(x, pairs, a["value"])
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            x = x.index_select(axis, _outside(a["mode"], x.shape[axis], before, after).to(x.device))
    return x


def slices(a: Attrs, x: Tensor) -> Tensor:
    """Take starts:ends:steps; torch steps forward only, so indices are written out."""
    for axis, (size, part) in enumerate(zip(x.shape, slice_parts(tuple(x.shape), a), strict=True)):
        if part != slice(None):
            x = x.index_select(axis, torch.tensor(range(size)[part], dtype=torch.int64, device=x.device))
    return x


def reshape(a: Attrs, x: Tensor) -> Tensor:
    """Reshape; 0 copies the input's axis."""
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(a["shape"])])


def flatten(a: Attrs, x: Tensor) -> Tensor:
    """Join the axes before `axis` into one and the rest into another."""
    first = int(torch.Size(x.shape[: a["axis"]]).numel())
    return x.reshape(first, -1)


def unsqueeze(a: Attrs, x: Tensor) -> Tensor:
    """Add axes of size 1, counted in the output."""
    for axis in sorted(a["axes"]):
        x = x.unsqueeze(axis)
    return x


def split(a: Attrs, x: Tensor) -> tuple[Tensor, ...]:
    """Cut an axis into parts."""
    return torch.split(x, list(a["split"]), a["axis"])


def arg_max(a: Attrs, x: Tensor) -> Tensor:
    """Return where the maximum stands: its first place, or its last one on request."""
    if not a["select_last_index"]:
        return x.argmax(a["axis"], bool(a["keepdims"]))
    return x.shape[a["axis"]] - 1 - x.flip(a["axis"]).argmax(a["axis"], bool(a["keepdims"]))


def layer_norm(a: Attrs, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    """Normalise over the axes from `axis` on."""
    tail = x.shape[a["axis"] :]
    return F.layer_norm(x, tail, scale.expand(tail), None if bias is None else bias.expand(tail), a["epsilon"])


def prelu(a: Attrs, x: Tensor, slope: Tensor) -> Tensor:  # noqa: ARG001
    """Scale what is negative."""
    return torch.where(x < 0, slope * x, x)


def _pad(x: Tensor, pairs: Pairs, value: float = 0.0) -> Tensor:
    """Pad the last axes by (before, after) each, in order; negative values cut."""
    if not any(map(any, pairs)):
        return x
    return F.pad(x, [n for pair in reversed(pairs) for n in pair], value=value)


def _pool_pads(a: Attrs, x: Tensor) -> tuple[Pairs, Pairs]:
    """Return the pads of a pool, and how far ceil_mode lets the last window reach beyond them."""
    sizes, kernel = tuple(x.shape[2:]), tuple(a["kernel_shape"])
    pads, far = window_pads(sizes, kernel, a), reached_pads(sizes, kernel, a)
    return pads, [(0, end - after) for (_, after), (_, end) in zip(pads, far, strict=True)]


def _outside(mode: str, size: int, before: int, after: int) -> Tensor:
    """Return which element stands at each place of an axis padded by repetition."""
    at = torch.arange(-before, size + after)
    if mode == "edge":
        return at.clamp(0, size - 1)
    if mode == "wrap":
        return at % size
    period = max(1, 2 * (size - 1))  # reflect: 0 1 2 1 0 1 …
    at = at % period
    return torch.minimum(at, period - at)


def _axes(a: Attrs, x: Tensor) -> list[int]:
    return list(a["axes"]) or list(range(x.ndim))


def _spatial(x: Tensor) -> list[int]:
    return list(range(2, x.ndim))


def _plain(function: Callable[..., Any]) -> Operator:
    """Wrap a function that needs no attributes."""
    return lambda _, *tensors: function(*tensors)


_PLAIN: Mapping[str, Callable[..., Any]] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "And": torch.logical_and,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Div": torch.div,
    "Equal": torch.eq,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "HardSwish": F.hardswish,
    "Identity": torch.clone,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Log": torch.log,
    "MatMul": torch.matmul,
    "Mish": F.mish,
    "Mul": torch.mul,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Or": torch.logical_or,
    "Pow": torch.pow,
    "Reciprocal": torch.reciprocal,
    "Relu": torch.relu,
    "Round": torch.round,
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Softplus": F.softplus,
    "Sqrt": torch.sqrt,
    "Sub": torch.sub,
    "Tanh": torch.tanh,
    "Where": torch.where,
}

OPERATORS: Mapping[str, Operator] = {
    **{name: _plain(function) for name, function in _PLAIN.items()},
    "ArgMax": arg_max,
    "AveragePool": average_pool,
    "BatchNormalization": lambda a, x, w, b, mean, var: F.batch_norm(x, mean, var, w, b, eps=a["epsilon"]),
    "Cast": lambda a, x: x.to(getattr(torch, a["to"])),
    "Clip": lambda a, x: x.clamp(a["min"], a["max"]),
    "Concat": lambda a, *xs: torch.cat(xs, a["axis"]),
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Elu": lambda a, x: F.elu(x, a["alpha"]),
    "Flatten": flatten,
    "Gelu": lambda a, x: F.gelu(x, approximate=a["approximate"]),
    "Gemm": gemm,
    "GlobalAveragePool": lambda _, x: x.mean(_spatial(x), keepdim=True),
    "GlobalMaxPool": lambda _, x: x.amax(_spatial(x), keepdim=True),
    "HardSigmoid": lambda a, x: (a["alpha"] * x + a["beta"]).clamp(0, 1),
    "LayerNormalization": layer_norm,
    "LeakyRelu": lambda a, x: F.leaky_relu(x, a["alpha"]),
    "LogSoftmax": lambda a, x: x.log_softmax(a["axis"]),
    "MaxPool": max_pool,
    "PRelu": prelu,
    "Pad": pad,
    "ReduceMax": lambda a, x: x.amax(_axes(a, x), bool(a["keepdims"])),
    "ReduceMean": lambda a, x: x.mean(_axes(a, x), bool(a["keepdims"])),
    "ReduceMin": lambda a, x: x.amin(_axes(a, x), bool(a["keepdims"])),
    "ReduceSum": lambda a, x: x.sum(_axes(a, x), bool(a["keepdims"])),
    "Reshape": reshape,
    "Resize": resize,
    "Slice": slices,
    "Softmax": lambda a, x: x.softmax(a["axis"]),
    "Split": split,
    "Squeeze": lambda a, x: x.squeeze(list(a["axes"])),
    "Transpose": lambda a, x: x.permute(a["perm"]),
    "Unsqueeze": unsqueeze,
}


def bound(node: Node, operands: Sequence[Tensor | None]) -> Bound:
    """Give the operator of a node with its attributes, for operands of these shapes."""
    shapes = [tuple(t.shape) for t in operands if t is not None]
    return functools.partial(OPERATORS[node.op], attributes(node.op, node.attrs, shapes))
