"""What quantising a network decides: a range for each tensor, whole numbers for each weight."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..graph import Array

LEVELS = 255  # steps of uint8
LARGEST = 127  # of symmetric int8 weights
_SMALLEST = 1e-8  # of a scale: a tensor that is always zero has one too


@dataclass(frozen=True)
class Range:
    """The values that a tensor of activations can hold in uint8; 0 is always one of them, exactly.

    Attributes:
        low: at most 0.
        high: at least 0.
    """

    low: float
    high: float

    @property
    def scale(self) -> np.float32:
        """The distance of two neighbouring values."""
        return np.float32(max((max(self.high, 0.0) - min(self.low, 0.0)) / LEVELS, _SMALLEST))

    @property
    def zero(self) -> np.uint8:
        """The number that stands for 0."""
        return np.uint8(np.clip(np.rint(-min(self.low, 0.0) / self.scale), 0, LEVELS))

    def rounded(self, x: Array) -> Array:
        """Give float32 values as they are after they were stored in uint8."""
        whole = np.rint(x / self.scale)
        zero = np.float32(self.zero)
        np.clip(whole, -zero, LEVELS - zero, out=whole)
        whole *= self.scale
        return whole


@dataclass(frozen=True)
class Weights:
    """The weights of a layer.

    Attributes:
        whole: int8, in the shape of the layer's own weight.
        scales: float32, (O,).
        bias: float32, (O,).
    """

    whole: Array
    scales: Array
    bias: Array


@dataclass(frozen=True)
class Scheme:
    """A network's quantisation.

    Attributes:
        ranges: of the tensors that are stored in uint8, by name.
        weights: by the name of the layer's output.
    """

    ranges: Mapping[str, Range]
    weights: Mapping[str, Weights] = field(default_factory=dict)
