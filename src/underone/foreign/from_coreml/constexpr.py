"""Weights that are stored smaller than they are used: scaled whole numbers, and tables of few values.

Source: coremltools 9.0, mil/ops/defs/iOS16/constexpr_ops.py.
"""

from collections.abc import Callable, Mapping

import numpy as np

from ...errors import BadFile
from ...graph import Array
from .call import Call

Spend = Callable[[str, int], None]


def expand(call: Call, spend: Spend) -> Array:
    """Give the weights that an operation stands for.

    Args:
        call: the operation; its parameters are attributes, or inputs in programs of iOS 18.
        spend: told how many elements are made, before they are.

    Raises:
        BadFile: parameters that do not fit together.
    """
    settings = {name: value for name, value in call.operation.attributes.items() if isinstance(value, np.ndarray)}
    settings |= {name: call.array(name) for name in sorted(call.operation.inputs)}
    where = f"{call.builder.where}: {call.operation.kind} {call.name!r}"
    try:
        return EXPANDED[call.operation.kind](settings, lambda n: spend(call.name, n))
    except (KeyError, ValueError, TypeError, IndexError, ArithmeticError) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(f"{where}: its parameters do not fit together: {type(error).__name__} {error}") from error


def _affine(given: Mapping[str, Array], spend: Callable[[int], None]) -> Array:
    data, scale, zero = given["quantized_data"], given["scale"], given["zero_point"]
    spend(data.size)
    axis = int(given.get("axis", np.zeros(())))
    column = [-1 if i == axis else 1 for i in range(data.ndim)]
    scale, zero = (a.reshape(column) if a.ndim else a for a in (scale, zero))
    if np.broadcast_shapes(data.shape, scale.shape, zero.shape) != data.shape:
        raise ValueError(f"scale {scale.shape}, zero point {zero.shape} for {data.shape}")
    return np.asarray((data.astype(np.float32) - zero.astype(np.float32)) * scale.astype(np.float32), scale.dtype)


def _table(given: Mapping[str, Array], spend: Callable[[int], None]) -> Array:
    """Look up indices that are packed into bytes, the lowest bits first."""
    shape, table = tuple(int(d) for d in given["shape"]), given["lut"]
    count, bits = int(np.prod([*shape], dtype=np.int64)), max(len(table).bit_length() - 1, 1)
    if min(shape, default=0) < 0 or len(given["indices"]) != -(-count * bits // 8):
        raise ValueError(f"{len(given['indices'])} bytes of indices of {bits} bits for {shape}")
    spend(count * bits)
    unpacked = np.unpackbits(given["indices"].astype(np.uint8), bitorder="little", count=count * bits)
    indices = unpacked.reshape(count, bits) @ (1 << np.arange(bits))
    return np.asarray(table[indices].reshape(shape))


def _blockwise(given: Mapping[str, Array], spend: Callable[[int], None]) -> Array:
    data, scale = given["data"], given["scale"]
    offset = given.get("offset", np.zeros_like(scale))
    spend(data.size)
    if offset.shape != scale.shape or any(m < 1 or n % m for n, m in zip(data.shape, scale.shape, strict=True)):
        raise ValueError(f"scale {scale.shape}, offset {offset.shape} for {data.shape}")
    for axis, (n, m) in enumerate(zip(data.shape, scale.shape, strict=True)):
        scale, offset = (np.repeat(a, n // m, axis) for a in (scale, offset))
    return np.asarray((data.astype(np.float32) - offset.astype(np.float32)) * scale.astype(np.float32), scale.dtype)


EXPANDED: Mapping[str, Callable[[Mapping[str, Array], Callable[[int], None]], Array]] = {
    "constexpr_affine_dequantize": _affine,
    "constexpr_lut_to_dense": _table,
    "constexpr_blockwise_shift_scale": _blockwise,
}
