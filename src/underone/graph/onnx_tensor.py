"""Stored tensors of an ONNX file as arrays; sizes are compared before anything is allocated."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ..errors import BadFile, Unsupported
from .graph import Array

# ONNX's number -> (numpy dtype, field of a TensorProto that holds it when raw_data does not)
_DTYPES: Mapping[int, tuple[str, str]] = {
    1: ("float32", "float_data"),
    2: ("uint8", "int32_data"),
    3: ("int8", "int32_data"),
    4: ("uint16", "int32_data"),
    5: ("int16", "int32_data"),
    6: ("int32", "int32_data"),
    7: ("int64", "int64_data"),
    9: ("bool", "int32_data"),
    10: ("float16", "int32_data"),
    11: ("float64", "double_data"),
    12: ("uint32", "uint64_data"),
    13: ("uint64", "uint64_data"),
}

DTYPE_NAMES = {number: dtype for number, (dtype, _) in _DTYPES.items()}


def tensor_array(
    tensor: onnx.TensorProto, where: str, folder: Path | None = None, stored: memoryview | None = None
) -> Array:
    """Read a stored tensor; its stated size must be that of its data, which is looked at first.

    Args:
        tensor: what describes it.
        where: what to call the file in a message.
        folder: where external data may lie.
        stored: its raw data where that is not in `tensor`; the array is a view of it, perhaps not aligned.

    Raises:
        BadFile: sizes differ, or external data lies outside the folder or the file it names.
        Unsupported: a type that numpy does not have, strings, or segments.
    """
    what = f"{where}: tensor {tensor.name!r}"
    if tensor.data_type not in _DTYPES or tensor.HasField("segment"):
        kind = onnx.TensorProto.DataType.Name(tensor.data_type) if tensor.data_type in _KINDS else tensor.data_type
        raise Unsupported(f"{what} is stored as {kind}; {', '.join(d for d, _ in _DTYPES.values())} are read")
    shape = tuple(tensor.dims)
    dtype, typed = np.dtype(_DTYPES[tensor.data_type][0]), getattr(tensor, _DTYPES[tensor.data_type][1])
    if any(d < 0 for d in shape):
        raise BadFile(f"{what} has shape {shape}; sizes from 0 up are required")
    count = math.prod(shape)
    raw: bytes | memoryview
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raw = _external(tensor, count * dtype.itemsize, what, folder)
    elif stored is not None:
        raw = stored
    elif tensor.HasField("raw_data"):
        raw = bytes(tensor.raw_data)
    else:
        return _from_typed(typed, dtype, shape, what)
    if len(raw) != count * dtype.itemsize:
        raise BadFile(f"{what} states {dtype} {shape}, {count * dtype.itemsize} bytes, but holds {len(raw)}")
    return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)


_KINDS = frozenset(onnx.TensorProto.DataType.values())


def _from_typed(values: Any, dtype: np.dtype, shape: tuple[int, ...], what: str) -> Array:
    if len(values) != math.prod(shape):
        raise BadFile(f"{what} states {dtype} {shape}, {math.prod(shape)} values, but holds {len(values)}")
    if dtype == np.float16:  # stored as its 16 bits, one in each int32
        return np.array(values, np.int64).astype(np.uint16).view(np.float16).reshape(shape)
    return np.array(values, np.float64 if dtype.kind == "f" else None).astype(dtype).reshape(shape)


def _external(tensor: onnx.TensorProto, size: int, what: str, folder: Path | None) -> bytes:
    stated = {e.key: e.value for e in tensor.external_data}
    if folder is None:
        raise BadFile(f"{what} lies in another file; pass the path of the ONNX file instead of its bytes")
    path = (folder / stated.get("location", "")).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise BadFile(f"{what} lies in {stated.get('location')!r}; a file in the folder of the ONNX file is required")
    try:
        offset, length = int(stated.get("offset", 0)), int(stated.get("length", size))
    except ValueError as error:
        raise BadFile(f"{what}: offset and length must be numbers, they are {stated}") from error
    if offset < 0 or length != size or offset + length > path.stat().st_size:
        raise BadFile(
            f"{what} needs {size} bytes, stated are {length} at {offset} of {path.stat().st_size} in {path.name}"
        )
    with path.open("rb") as data:
        data.seek(offset)
        return bytes(data.read(length))
