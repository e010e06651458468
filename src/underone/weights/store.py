"""Our weight files: safetensors with the network's ModelSpec in the header."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..errors import BadFile
from ..files import atomic_write
from ..spec import ModelSpec

SPEC_KEY = "underone.spec"
Weights = dict[str, NDArray[Any]]

_LARGEST_HEADER = 1 << 24  # bytes; the largest of ours, 1,323 tensors, is 0.2 MB


def write_safetensors(path: str | Path, weights: Mapping[str, NDArray[Any]], spec: ModelSpec) -> Path:
    """Write arrays and spec to one file; an old file stays whole when that fails.

    Args:
        path: ends in .safetensors.
        weights: tensor names → arrays of any dtype that safetensors knows.
        spec: stands in the header under "underone.spec".

    Returns:
        The path.

    Raises:
        BadFile: another suffix, a dtype that the format has not, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise BadFile(f"{path}: weights are written as .safetensors; give a name with that suffix")
    arrays = {name: np.asarray(array, order="C") for name, array in weights.items()}
    try:
        with atomic_write(path) as temporary:
            save_file(arrays, temporary, metadata={SPEC_KEY: spec.to_json()})
    except SafetensorError as error:
        raise BadFile(f"{path} was not written, the old file is untouched: {error}") from error
    return path


def read_safetensors(path: str | Path) -> tuple[Weights, ModelSpec | None]:
    """Read every array of a safetensors file, and the spec if the file is ours.

    Raises:
        BadFile: the file is missing, truncated, corrupt, or has a header beyond any network of ours.
    """
    path = Path(path)
    _check_header(path)
    try:
        with safe_open(path, framework="numpy") as file:
            spec_json = (file.metadata() or {}).get(SPEC_KEY)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except TypeError as error:  # bfloat16 and the 8-bit floats
        raise _odd_dtype(path, str(error)) from error
    except (SafetensorError, OSError, ValueError) as error:
        raise BadFile(f"{path}: no valid safetensors file: {error}") from error
    odd = {str(array.dtype) for array in weights.values() if array.dtype.kind not in "biuf"}
    if odd:  # numpy knows them once ml_dtypes was imported; nothing here calculates with them
        raise _odd_dtype(path, ", ".join(sorted(odd)))
    return weights, ModelSpec.from_json(spec_json, str(path)) if spec_json else None


def _odd_dtype(path: Path, what: str) -> BadFile:
    return BadFile(f"{path}: a dtype that numpy has not ({what}); save the file as float32 again")


def _check_header(path: Path) -> None:
    """Refuse a header length (8 bytes, little-endian, at the start) that cannot be before anything is read."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror}") from error
    limit = min(size - 8, _LARGEST_HEADER)
    if length > limit:
        raise BadFile(
            f"{path}: a file of {size} bytes says that its header has {length}; at most {max(limit, 0)} can be; "
            "it is truncated or no safetensors file"
        )
