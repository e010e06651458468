"""Whatever holds numbers in the processor's memory, as numpy's array."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError

Pixels = NDArray[np.uint8]  # (H, W, 3) RGB


def as_numpy(array: Any) -> NDArray[Any]:
    """Return what speaks DLPack or the array interface as an array on the same memory.

    Raises:
        ShapeError: it speaks neither, or its memory is not the processor's.
    """
    if isinstance(array, np.ndarray):
        return array
    try:
        if hasattr(array, "__array_interface__"):
            return np.asarray(array)
        return np.from_dlpack(array)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
        kind = f"{type(array).__module__}.{type(array).__name__}"
        raise ShapeError(
            f"a {kind} is no array in the processor's memory: {error}; pass a numpy array, or a tensor on the CPU "
            f"without a gradient"
        ) from error
