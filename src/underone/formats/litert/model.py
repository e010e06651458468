"""A TFLite model while it is written: tensors, operators, buffers; tensors may lie in another order than in the graph.

A graph's picture is (N, C, H, W), TFLite's (N, H, W, C). So each tensor has an order: axis i of what is stored is axis
order[i] of the graph's. A Transpose only changes the order; it is carried out where an operator needs another one.

Source: tensorflow/compiler/mlir/lite/schema/schema.fbs (version 3), as generated in ai-edge-litert 2.3.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import ai_edge_litert.schema_py_generated as schema
import flatbuffers
import numpy as np

from ...errors import Unsupported
from ...graph import Array, TensorType

Order = tuple[int, ...]
NHWC: Order = (0, 2, 3, 1)
_TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int8": 9}


class Scale(NamedTuple):
    """What whole numbers stand for: (whole - zero) * step; one step for the tensor, or one for each index of `axis`."""

    steps: tuple[float, ...]
    zero: int = 0
    axis: int = 0


class Packed(NamedTuple):
    """A constant of whole numbers, in the graph's order of axes."""

    whole: Array
    scale: Scale


@dataclass(frozen=True)
class Stored:
    """Where a tensor of the graph is.

    Attributes:
        number: in the model.
        order: of its axes there.
        scale: of the int8 numbers that it holds; None: it holds the graph's own.
    """

    number: int
    order: Order
    scale: Scale | None = None


def _fits_half(value: Array) -> bool:
    return bool(np.abs(value).max() <= np.finfo(np.float16).max)


class Model:
    """Collects what a file holds."""

    def __init__(
        self, types: Mapping[str, TensorType], constants: Mapping[str, Array], half: bool, alone: Container[str]
    ) -> None:
        """Begin a model.

        Args:
            types: of all tensors of the graph.
            constants: of the graph.
            half: weights are stored in float16, and read from there into float32.
            alone: names of tensors that one node reads.
        """
        self.types, self.constants, self.half, self.alone = types, constants, half, alone
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[int] = []
        self.buffers: list[Any] = [schema.BufferT()]  # the first one is empty by convention
        self.stored: dict[str, Stored] = {}
        self.packed: dict[str, Packed] = {}
        self.makers: dict[int, Any] = {}

    def tensor(
        self, name: str, shape: Sequence[int], dtype: str, value: Array | None = None, scale: Scale | None = None
    ) -> int:
        """Add a tensor; give its number."""
        if dtype not in _TYPES:
            raise Unsupported(f"tensor {name!r} is {dtype}; LiteRT files hold {', '.join(_TYPES)}")
        made = schema.TensorT()
        made.name, made.shape, made.type = name, np.array(shape, np.int32), _TYPES[dtype]
        if value is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
            made.buffer = len(self.buffers)
            self.buffers.append(buffer)
        if scale is not None:
            made.quantization = how = schema.QuantizationParametersT()
            how.scale, how.quantizedDimension = np.array(scale.steps, np.float32), scale.axis
            how.zeroPoint = np.full(len(scale.steps), scale.zero, np.int64)
        self.tensors.append(made)
        return len(self.tensors) - 1

    def constant(self, name: str, value: Array) -> int:
        """Add an array; weights pass through float16 where that was asked for, biases and single numbers do not."""
        if self.half and value.dtype == np.float32 and value.ndim > 1 and value.size > 1 and _fits_half(value):
            small = self.tensor(f"{name}_float16", value.shape, "float16", value.astype(np.float16))
            number = self.tensor(name, value.shape, "float32")
            self.operator("DEQUANTIZE", [small], [number])
            return number
        return self.tensor(name, value.shape, value.dtype.name, value)

    def operator(
        self, op: str, inputs: Sequence[int], outputs: Sequence[int], options: str = "", **settings: Any
    ) -> None:
        """Add an operator; `options` names its table of settings in the schema."""
        code = getattr(schema.BuiltinOperator, op)
        if code not in self.codes:
            self.codes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = self.codes.index(code), list(inputs), list(outputs)
        if options:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            made.builtinOptions = getattr(schema, f"{options}T")()
            for name, value in settings.items():
                setattr(made.builtinOptions, name, value)
        self.operators.append(made)
        self.makers |= dict.fromkeys(outputs, made)

    def given(self, name: str, order: Order, whole: bool = False) -> int:
        """Give the number of a tensor of the graph with its axes in an order; moves them where need be.

        Args:
            name: of the tensor.
            order: of its axes.
            whole: as the int8 numbers that it is stored in; False: as what they stand for.
        """
        value = self.fixed(name)
        if value is not None:
            return self.constant(name, np.ascontiguousarray(value.transpose(order)))
        at = self.stored[name]
        return self.turned(name, at if whole or at.scale is None else self.real(name), order)

    def turned(self, name: str, at: Stored, order: Order) -> int:
        """Give the number of a tensor that lies somewhere, its axes in an order."""
        if at.order == order:
            return at.number
        kind, perm = self.types[name], [at.order.index(axis) for axis in order]
        dtype = "int8" if at.scale else kind.dtype
        moved = self.tensor(f"{name}_moved", [kind.shape[axis] for axis in order], dtype, scale=at.scale)
        self.operator(
            "TRANSPOSE", [at.number, self.constant(f"{name}_perm", np.array(perm, np.int32))], [moved],
            "TransposeOptions",
        )  # fmt: skip
        return moved

    def made(self, name: str, order: Order, scale: Scale | None = None) -> int:
        """Add the result of a node, with its axes in an order; give its number."""
        kind = self.types[name]
        dtype = "int8" if scale else _narrow(kind.dtype)
        number = self.tensor(name, [kind.shape[axis] for axis in order], dtype, scale=scale)
        self.stored[name] = Stored(number, order, scale)
        return number

    def real(self, name: str) -> Stored:
        """Give what the int8 numbers of a tensor stand for, its axes where they are."""
        at = self.stored[name]
        number = self.tensor(f"{name}_real", [self.types[name].shape[axis] for axis in at.order], "float32")
        self.operator("DEQUANTIZE", [at.number], [number])
        return Stored(number, at.order)

    def rounded(self, name: str, scale: Scale) -> Stored:
        """Give a tensor in the int8 numbers of a scale, its axes where they are."""
        at = self.stored[name]
        if at.scale == scale:
            return at
        shape = [self.types[name].shape[axis] for axis in at.order]
        number = self.tensor(f"{name}_int8", shape, "int8", scale=scale)
        self.operator("QUANTIZE", [at.number], [number])
        return Stored(number, at.order, scale)

    def fixed(self, name: str) -> Array | None:
        """Give the values of a constant, or what its whole numbers stand for; None: it is computed."""
        if name not in self.packed:
            return self.constants.get(name)
        whole, scale = self.packed[name]
        column = [-1 if a == scale.axis else 1 for a in range(whole.ndim)] if len(scale.steps) > 1 else []
        return np.asarray((whole - float(scale.zero)) * np.reshape(scale.steps, column), np.float32)

    def kernel(self, name: str, value: Array, scale: Scale, whole: bool) -> int:
        """Add a weight of whole numbers as it is, or as what it stands for: it is unpacked when the file is loaded."""
        packed = self.tensor(f"{name}_{value.dtype}", value.shape, value.dtype.name, value, scale)
        if whole:
            return packed
        number = self.tensor(name, value.shape, "float32")
        self.operator("DEQUANTIZE", [packed], [number])
        return number

    def to_bytes(self, inputs: Mapping[str, int], outputs: Mapping[str, int], about: Mapping[str, bytes]) -> bytes:
        """Write the file."""
        graph = schema.SubGraphT()
        graph.name, graph.tensors, graph.operators = "main", self.tensors, self.operators
        graph.inputs, graph.outputs = list(inputs.values()), list(outputs.values())
        model = schema.ModelT()
        model.version, model.subgraphs, model.description = 3, [graph], "underone"
        model.operatorCodes = [_code(number) for number in self.codes]
        model.signatureDefs = [_signature(inputs, outputs)]
        model.metadata = [self._entry(key, content) for key, content in about.items()]
        model.buffers = self.buffers
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _entry(self, key: str, content: bytes) -> Any:
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(content, np.uint8)
        entry.name, entry.buffer = key, len(self.buffers)
        self.buffers.append(buffer)
        return entry


def _narrow(dtype: str) -> str:
    return "int32" if dtype == "int64" else dtype


def _code(number: int) -> Any:
    made = schema.OperatorCodeT()
    made.builtinCode = number
    made.deprecatedBuiltinCode = min(number, 127)  # old readers look here, for numbers that they know
    made.version = 1
    return made


def _signature(inputs: Mapping[str, int], outputs: Mapping[str, int]) -> Any:
    made = schema.SignatureDefT()
    made.signatureKey, made.subgraphIndex = "serving_default", 0
    made.inputs, made.outputs = _map(inputs), _map(outputs)
    return made


def _map(named: Mapping[str, int]) -> list[Any]:
    made = []
    for name, number in named.items():
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, number
        made.append(entry)
    return made
