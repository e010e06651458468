"""A TFLite network becomes a Graph, operator by operator; quantised tensors carry their real values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np

from ...errors import BadFile, UnknownName, Unsupported
from ...graph import Array
from ...graph.integer_form import integer_convolutions
from ...graph.onnx_file import counted
from ...graph.open_batch import open_batch
from ..bounded import Budget
from ..builder import Builder
from ..channels_last import activation
from ..foreign_file import Cut, Network
from .model_file import Operator, Quantisation, Tensor, TFLiteFile
from .schema import ACTIVATIONS

Made = str | list[str]


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


def real_values(stored: Array, how: Quantisation) -> Array:
    """Give (stored - zero) * scale in float32."""
    shape = [1] * stored.ndim
    if len(how.scale) > 1:
        shape[how.axis] = -1
    scale, zero = how.scale.astype(np.float32), how.zero
    if len(scale) == 1:
        scale, zero = scale.reshape([1] * stored.ndim), zero.reshape([1] * stored.ndim)
    else:
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    real = stored.astype(np.float32)
    if stored.dtype.itemsize > 2:
        real = stored.astype(np.float64)  # a bias of 32 bits
    real = real - zero.astype(real.dtype)
    return (real * scale).astype(np.float32)


def real_range(dtype: str, how: Quantisation) -> tuple[float, float]:
    """Give the least and the largest real value that a quantised tensor can hold."""
    info = np.iinfo(np.dtype(dtype))
    low, high = ((limit - how.zero.astype(np.float64)) * how.scale for limit in (info.min, info.max))
    return float(low.min()), float(high.max())


@dataclass(frozen=True)
class Call:
    """One operator while it is translated: its operands by position."""

    translation: Translation
    operator: Operator

    @property
    def builder(self) -> Builder:
        """What takes the nodes."""
        return self.translation.builder

    @property
    def result(self) -> Tensor:
        """The tensor that the operator gives, the first of several."""
        return self.translation.file.tensors[self.operator.outputs[0]]

    @property
    def name(self) -> str:
        """A name for what is made on the way to the result."""
        return self.result.name

    def has(self, position: int) -> bool:
        """Whether an operand is given."""
        return position < len(self.operator.inputs) and self.operator.inputs[position] >= 0

    def number(self, position: int) -> int:
        """Give the number of an operand's tensor."""
        if not self.has(position):
            raise BadFile(f"{self.builder.where}: {self.operator.op} {self.name!r} lacks operand {position}")
        return self.operator.inputs[position]

    def x(self, position: int = 0) -> str:
        """Give an operand in real values."""
        return self.translation.real(self.number(position))

    def xs(self) -> list[str]:
        """Give all operands in real values."""
        return [self.x(i) for i in range(len(self.operator.inputs))]

    def weight(self, position: int, perm: Sequence[int]) -> str:
        """Give an operand of weights, its axes reordered."""
        return self.translation.weight(self.number(position), perm)

    def optional(self, position: int) -> str | None:
        """Give an operand in real values, or None where it is left out."""
        return self.x(position) if self.has(position) else None

    def fixed(self, position: int) -> list[int]:
        """Give the whole numbers of an operand that must be constant."""
        found = self.builder.fixed_value(self.x(position), f"operand {position} of {self.operator.op} {self.name!r}")
        if found.dtype.kind not in "iu" or found.size > 64:
            raise BadFile(
                f"{self.builder.where}: operand {position} of {self.operator.op} {self.name!r} is {found.dtype}"
            )
        return [int(v) for v in found.ravel()]

    def option(self, slot: int, form: str = "<i", default: Any = 0) -> Any:
        """Give a number of the operator's options."""
        return self.operator.option(slot, form, default)

    def unsupported(self, what: str) -> Unsupported:
        """Give (not raise) the error that says which form of the operator is not implemented."""
        return Unsupported(f"{self.builder.where}: {self.operator.op} {self.name!r}: {what} is not implemented")


@dataclass(frozen=True)
class Row:
    """How one operator is translated.

    Attributes:
        make: gives the result before its fused activation, or a list of results.
        activation: slot of the fused activation in the options; None: there is none.
        moves: the values are only moved, so that they need no rounding where the quantisation stays the same.
        free: the values cannot leave the quantised range, but by rounding.
    """

    make: Callable[[Call], Made]
    activation: int | None = None
    moves: bool = False
    free: bool = False


def translate(
    file: TFLiteFile, table: dict[str, Row], cut: Cut, budget: Budget
) -> tuple[Translation, list[int], list[int]]:
    """Translate the operators between the inputs and the outputs.

    Returns:
        The translation, and the inputs and outputs by number.

    Raises:
        Unsupported: operators that are not implemented, all at once.
        BadFile: the network is damaged.
        UnknownName: `cut` names no tensor.
    """
    inputs, outputs = (
        _chosen(file, names, own) for names, own in ((cut.inputs, file.inputs), (cut.outputs, file.outputs))
    )
    operators = _needed(file, inputs, outputs)
    _refuse_unknown(file, operators, table)
    translation = Translation(file, Builder(file.where), cut.quantised == "kept", budget)
    for number in inputs:
        _input(translation, number)
    for operator in operators:
        _translate(translation, operator, table[operator.op])
    return translation, inputs, outputs


def _chosen(file: TFLiteFile, names: Sequence[str], own: Sequence[int]) -> list[int]:
    known = {t.name: i for i, t in enumerate(file.tensors)}
    for name in names:
        if name not in known:
            raise UnknownName(f"tensor of {file.where}", name, known)
    numbers = [known[n] for n in names] or list(own)
    if not numbers or min(numbers) < 0:
        raise BadFile(f"{file.where}: the network has no inputs or no outputs")
    return list(dict.fromkeys(numbers))


def _needed(file: TFLiteFile, inputs: Sequence[int], outputs: Sequence[int]) -> list[Operator]:
    wanted, kept = set(outputs) - set(inputs), []
    for operator in reversed(file.operators):
        if wanted.intersection(operator.outputs):
            wanted.update(set(operator.inputs) - set(inputs))
            kept.append(operator)
    return kept[::-1]


def _refuse_unknown(file: TFLiteFile, operators: Sequence[Operator], table: dict[str, Row]) -> None:
    unknown: dict[str, int] = {}
    for operator in operators:
        if operator.op not in table:
            name = f"custom operator {operator.custom!r}" if operator.op == "CUSTOM" else operator.op
            unknown[name] = unknown.get(name, 0) + 1
    if unknown:
        raise Unsupported(f"{file.where} has operators that are not implemented: {counted(unknown)}")


def _input(translation: Translation, number: int) -> None:
    tensor = translation.file.tensors[number]
    if not tensor.dtype:
        raise Unsupported(f"{translation.file.where}: input {tensor.name!r} holds neither numbers nor truth values")
    how = tensor.scaled
    dtype = "float32" if how is not None else np.dtype(tensor.dtype).name
    shape = tuple(None if d < 0 else d for d in tensor.shape)
    name = translation.builder.input(tensor.name, shape, dtype)
    translation.names[number] = translation.rounded(name, tensor, how) if how is not None and translation.kept else name
    if how is not None:
        low, high = real_range(tensor.dtype, how)
        translation.builder.note(
            f"input {tensor.name!r} is {np.dtype(tensor.dtype).name} in the file; here it takes the real values that "
            f"those stand for, float32 from {low:g} to {high:g}"
        )


def _translate(translation: Translation, operator: Operator, row: Row) -> None:
    file, call = translation.file, Call(translation, operator)
    outputs = operator.outputs
    if not outputs or min(outputs) < 0 or any(n in translation.names for n in outputs):
        raise BadFile(f"{file.where}: {operator.op} {[file.tensors[n].name for n in outputs]} writes a tensor again")
    kind = "NONE" if row.activation is None else _activation(call, row.activation)
    made = _made(call, row)
    results = made if isinstance(made, list) else [made]
    if len(results) != len(outputs):
        raise BadFile(
            f"{file.where}: {operator.op} {call.name!r} has {len(outputs)} results; {len(results)} are required"
        )
    for name, number in zip(results, outputs, strict=True):
        if row.moves and kind == "NONE" and _same_scale(file, operator, number):
            translation.names[number] = name
        else:
            translation.names[number] = translation.settled(name, number, kind, row.free or row.moves)


def _made(call: Call, row: Row) -> Made:
    try:
        return row.make(call)
    except (BadFile, Unsupported):
        raise
    except (ValueError, IndexError, TypeError, ArithmeticError, MemoryError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadFile(f"{call.builder.where}: {call.operator.op} {call.name!r}: {what}") from error


def _activation(call: Call, slot: int) -> str:
    number = call.option(slot, "<b")
    if number not in ACTIVATIONS or ACTIVATIONS[number] in ("SIGN_BIT", "TANH"):  # LiteRT runs none of the two fused
        raise call.unsupported(f"activation {ACTIVATIONS.get(number, number)}")
    return ACTIVATIONS[number]


def _same_scale(file: TFLiteFile, operator: Operator, number: int) -> bool:
    """Whether all tensors that an operator moves from have the scale of the one that it moves to."""
    to = file.tensors[number].quantisation
    sources = [file.tensors[n].quantisation for n in operator.inputs if n >= 0 and file.tensors[n].value is None]
    return to is None or all(
        s is not None and np.array_equal(s.scale, to.scale) and np.array_equal(s.zero, to.zero) for s in sources
    )


def finish(translation: Translation, outputs: Sequence[int], **spec: Any) -> Network:
    """Name the outputs and make the graph; `spec` is what `Builder.finish` takes."""
    builder, file = translation.builder, translation.file
    for number in outputs:
        tensor = file.tensors[number]
        builder.output(tensor.name, translation.real(number))
        if tensor.scaled is not None:
            builder.note(f"output {tensor.name!r} is {np.dtype(tensor.dtype).name} in the file; here it is float32")
    if file.networks > 1:
        builder.note(f"the file holds {file.networks} networks; the first is read")
    graph = builder.finish(PurePath(file.where).stem, **spec)
    return Network(open_batch(integer_convolutions(graph) if translation.kept else graph), tuple(builder.notes))
