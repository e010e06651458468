"""The compiled part: plans, image preparation, non-maximum suppression."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Attribute = int | float | str | Sequence[int] | Sequence[float]
TensorRow = tuple[str, Sequence[int], int]
StepRow = tuple[str, str, Mapping[str, Attribute], Sequence[int], Sequence[int]]

class Unsupported(NotImplementedError): ...

class Plan:
    weight_bytes: int
    activation_bytes: int
    def __init__(
        self,
        tensors: Sequence[TensorRow],
        constants: Mapping[int, NDArray[Any]],
        steps: Sequence[StepRow],
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        isa: str,
        precision: str = "float32",
        threads: int = 1,
        mapped: memoryview | None = None,
    ) -> None: ...
    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]: ...
    def profile(self, inputs: Sequence[NDArray[Any]], rounds: int) -> list[float]: ...
    def poison(self) -> None: ...

def isas() -> list[str]: ...
def has_amx() -> bool: ...
def has_dots() -> bool: ...
def has_fast_dots() -> bool: ...
def prepare(
    pixels: NDArray[np.uint8],
    out: NDArray[np.float32],
    *,
    resized: tuple[int, int],
    origin: tuple[int, int],
    interpolation: str,
    columns_first: bool,
    tables: NDArray[np.float32],
    color: str,
    channels_last: bool,
    isa: str,
) -> None: ...
def resize(
    pixels: NDArray[np.uint8], out: NDArray[np.uint8], *, mirrored: bool, columns_first: bool, isa: str
) -> None: ...
def prepare_planes(
    luma: NDArray[np.uint8],
    blue: NDArray[np.uint8],
    red: NDArray[np.uint8],
    out: NDArray[np.float32],
    *,
    factors: Sequence[float],
    resized: tuple[int, int],
    origin: tuple[int, int],
    interpolation: str,
    columns_first: bool,
    tables: NDArray[np.float32],
    color: str,
    channels_last: bool,
    isa: str,
) -> None: ...
def planes_to_rgb(
    luma: NDArray[np.uint8],
    blue: NDArray[np.uint8],
    red: NDArray[np.uint8],
    out: NDArray[np.uint8],
    *,
    factors: Sequence[float],
    isa: str,
) -> None: ...
def view_of_arrow(schema: object, array: object, size: tuple[int, int]) -> NDArray[np.uint8]: ...
def nms(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    iou_threshold: float,
    class_ids: NDArray[np.int64] | None = None,
    max_outputs: int | None = None,
) -> NDArray[np.int64]: ...
def label_map(
    maps: NDArray[np.float32],
    out: NDArray[np.uint8] | NDArray[np.int32],
    *,
    rows: NDArray[np.int64],
    row_shares: NDArray[np.float32],
    columns: NDArray[np.int64],
    column_shares: NDArray[np.float32],
    isa: str,
) -> None: ...
def peak(isa: str, seconds: float) -> float: ...
def window_moments(
    x: NDArray[np.float32],
    shift: NDArray[np.float32],
    sums: NDArray[np.float64],
    *,
    stride: int,
    isa: str,
    threads: int,
) -> None: ...
def window_gradient(
    x: NDArray[np.float32],
    shift: NDArray[np.float32],
    slope: NDArray[np.float32],
    constant: NDArray[np.float32],
    out: NDArray[np.float32],
    *,
    stride: int,
    isa: str,
    threads: int,
) -> None: ...
