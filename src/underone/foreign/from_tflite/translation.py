"""What is known while a TFLite network is read: its tensors as tensors of a Graph, in real values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import BadFile, Unsupported
from ...graph import Array
from ..bounded import Budget
from ..builder import Builder
from ..channels_last import activation
from .model_file import Quantisation, Tensor, TFLiteFile
from .real_values import real_range, real_values


@dataclass
class Translation:
    """What is known while a network is read.

    Attributes:
        file: the file's contents.
        builder: takes the nodes.
        kept: every quantised tensor is rounded; otherwise only its range is kept.
        budget: bytes that may still be made of the file.
        names: tensors of the builder by number, in real values.
    """

    file: TFLiteFile
    builder: Builder
    kept: bool
    budget: Budget
    names: dict[int, str] = field(default_factory=dict)

    def real(self, number: int) -> str:
        """Give a tensor in real values: float32 for quantised ones and for float16 constants."""
        if number not in self.names:
            tensor = self.file.tensors[number]
            if tensor.value is None:
                raise BadFile(f"{self.file.where}: tensor {tensor.name!r} is read before an operator gives it")
            self.names[number] = self.constant(tensor, tensor.value, tensor.scaled)
        return self.names[number]

    def weight(self, number: int, perm: Sequence[int]) -> str:
        """Give a tensor of weights in real values, its axes reordered."""
        tensor = self.file.tensors[number]
        if tensor.value is None or number in self.names:
            return self.builder.add("Transpose", [self.real(number)], f"{tensor.name}/reordered", perm=tuple(perm))
        if tensor.value.ndim != len(perm):
            raise BadFile(f"{self.file.where}: weight {tensor.name!r} has shape {tensor.shape}; {len(perm)} axes fit")
        how = tensor.scaled
        if how is not None and len(how.scale) > 1:
            how = Quantisation(how.scale, how.zero, list(perm).index(how.axis))
        return self.constant(tensor, np.ascontiguousarray(tensor.value.transpose(perm)), how)

    def constant(self, tensor: Tensor, stored: Array, how: Quantisation | None) -> str:
        """Add a constant in real values."""
        if tensor.dtype == "<f2" or how is not None:
            self.budget.spend(4 * stored.size, f"constant {tensor.name!r}")
        if how is None:
            wide = stored.astype(np.float32) if stored.dtype == np.float16 else stored
            return self.builder.constant(tensor.name, wide.astype(wide.dtype.newbyteorder("="), copy=False))
        if not self.kept or stored.dtype.itemsize > 1:
            return self.builder.constant(tensor.name, real_values(stored, how))
        names = [self.builder.constant(f"{tensor.name}/stored", stored), *self.scales(tensor.name, how, stored.dtype)]
        return self.builder.add("DequantizeLinear", names, tensor.name, axis=how.axis)

    def scales(self, name: str, how: Quantisation, dtype: Any) -> list[str]:
        """Add the scale and the zero point of a tensor as constants."""
        one = len(how.scale) == 1
        scale, zero = (a.reshape(()) if one else a for a in (how.scale.astype(np.float32), how.zero.astype(dtype)))
        return [self.builder.constant(f"{name}/scale", scale), self.builder.constant(f"{name}/zero", zero)]

    def settled(self, name: str, number: int, kind: str, free: bool) -> str:
        """Apply the fused activation to a result, and what its quantisation does: rounding, or only the range.

        Args:
            name: the result.
            number: of the tensor that it becomes.
            kind: of the activation.
            free: the operator's results need no range.
        """
        tensor = self.file.tensors[number]
        how = tensor.scaled
        if how is None:
            return activation(self.builder, kind, name, tensor.name)
        if self.kept and np.dtype(tensor.dtype).itemsize == 1:
            return self.rounded(activation(self.builder, kind, name, f"{tensor.name}/activation"), tensor, how)
        if self.kept:
            raise Unsupported(
                f"{self.file.where}: tensor {tensor.name!r} is {tensor.dtype[1:]}; only 8 bits can be kept: "
                "ask for the dequantised network"
            )
        return activation(self.builder, kind, name, tensor.name) if free else self.clipped(name, tensor, how, kind)

    def rounded(self, name: str, tensor: Tensor, how: Quantisation) -> str:
        """Round a tensor to its quantised values."""
        scales = self.scales(tensor.name, how, tensor.dtype)
        stored = self.builder.add("QuantizeLinear", [name, *scales], f"{tensor.name}/stored", axis=how.axis)
        return self.builder.add("DequantizeLinear", [stored, *scales], tensor.name, axis=how.axis)

    def clipped(self, name: str, tensor: Tensor, how: Quantisation, kind: str) -> str:
        """Limit a tensor to what its quantised values can say; one Clip with the activation where that is one."""
        low, high = real_range(tensor.dtype, how)
        bounds = {"NONE": (low, high), "RELU": (0.0, high), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}
        if kind not in bounds:
            name = activation(self.builder, kind, name, f"{tensor.name}/activation")
        least, most = bounds.get(kind, (low, high))
        return self.builder.add("Clip", [name], tensor.name, min=max(low, least), max=min(high, most))
