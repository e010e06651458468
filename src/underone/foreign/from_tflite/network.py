"""A TFLite network becomes a Graph, operator by operator; quantised tensors carry their real values."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from ...errors import BadFile, UnknownName, Unsupported
from ...graph.integer_form import integer_convolutions
from ...graph.onnx_file import counted
from ...graph.open_batch import open_batch
from ..bounded import Budget
from ..builder import Builder
from ..foreign_file import Cut, Network
from .call import Call, Made, Row
from .model_file import Operator, TFLiteFile
from .real_values import real_range
from .schema import ACTIVATIONS
from .translation import Translation


def translate(
    file: TFLiteFile, table: Mapping[str, Row], cut: Cut, budget: Budget
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


def _refuse_unknown(file: TFLiteFile, operators: Sequence[Operator], table: Mapping[str, Row]) -> None:
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
