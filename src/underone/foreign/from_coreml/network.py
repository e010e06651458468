"""An ML Program becomes a Graph, operation by operation; the graph computes in the program's own number formats."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ...errors import BadFile, UnderOneError, UnknownName, Unsupported
from ...graph.onnx_file import counted
from ...spec import Preparation
from ..builder import TO_FIRST, Builder
from ..foreign_file import Cut, Network
from .call import Call
from .constexpr import EXPANDED, expand
from .operators import RULES
from .program import Operation, Program
from .values import Type, Value

_CLASSIFY = "classify"
_PICTURE_CHANNELS = (1, 3, 4)


def build_network(program: Program, where: str, name: str, preparations: dict[str, Preparation], cut: Cut) -> Network:
    """Make the graph of a program.

    Args:
        program: as read.
        where: the package's name, for errors.
        name: of the network.
        preparations: of the inputs that are pictures, by name.
        cut: which outputs are wanted; names of the program's variables.

    Raises:
        BadFile: operations and values do not fit together.
        Unsupported: operations that are not read, all at once; other inputs than the program's own.
        UnknownName: no variable has the name of a wanted output.
    """
    if cut.inputs:
        raise Unsupported(f"{where}: a Core ML program is read from its own inputs on")
    walk = _Walk(program, where)
    wanted = list(cut.outputs) or [o for o in program.outputs if o not in walk.labels]
    for output in wanted:
        if output not in walk.names:
            raise UnknownName(f"variable of {where}", output, walk.names)
        walk.builder.output(output, walk.names[output])
    preparation = next(iter(preparations.values()), None)
    meanings = dict.fromkeys(walk.probabilities, "probabilities")
    graph = walk.builder.finish(name, walk.class_labels, preparation, meanings)
    return Network(graph, tuple(walk.builder.notes))


class _Walk:
    """The operations, one after the other."""

    def __init__(self, program: Program, where: str) -> None:
        self.where = where
        self.builder = Builder(where)
        self.names: dict[str, str] = {}
        self.values: dict[str, Value] = {}
        self.labels: set[str] = set()  # outputs that are texts
        self.probabilities: list[str] = []
        self.class_labels: tuple[str, ...] | None = None
        _refuse_unknown(program.operations, where)
        for name, kind in program.inputs:
            self.names[name] = self._input(name, kind)
        for operation in program.operations:
            self._add(operation)

    def _input(self, name: str, kind: Type) -> str:
        if not kind.dtype:
            raise Unsupported(f"{self.where}: input {name!r} holds no numbers")
        shape, dtype = kind.shape, np.dtype(kind.dtype).name
        if len(shape) == 4 and shape[1] in _PICTURE_CHANNELS:
            batch, channels, height, width = shape
            last = self.builder.input(name, (batch, height, width, channels), dtype)
            return self.builder.add("Transpose", [last], f"{name}/first", perm=TO_FIRST)
        return self.builder.input(name, shape, dtype)

    def _add(self, operation: Operation) -> None:
        call = Call(self.builder, operation, self.names, self.values)
        results = [name for name, _ in operation.outputs]
        if not results or any(r in self.names or r in self.values for r in results):
            raise BadFile(f"{self.where}: {operation.kind} {results} gives nothing, or what is there already")
        if operation.kind == "const":
            if "val" not in operation.attributes:
                raise BadFile(f"{self.where}: constant {operation.name!r} has no value")
            self.values[results[0]] = operation.attributes["val"]
        elif operation.kind in EXPANDED:
            self.values[results[0]] = expand(call, self.builder.spend)
        elif operation.kind == _CLASSIFY:
            self._classify(call, results)
        else:
            made = _made(call)
            if len(made) != len(results):
                raise BadFile(f"{self.where}: {operation.kind} gives {len(made)} tensors, not {results}")
            self.names |= zip(results, made, strict=True)

    def _classify(self, call: Call, results: Sequence[str]) -> None:
        """Keep the probabilities, as a tensor, and the labels."""
        if len(results) != 2:
            raise BadFile(f"{self.where}: classify gives {list(results)}; a label and probabilities are required")
        label, scores = results
        given = (call.operation.inputs.get("classes") or [()])[0]
        classes = self.values.get(given, ()) if isinstance(given, str) else given
        self.labels.add(label)
        self.names[scores] = self.builder.add("Identity", [call.x("probabilities")], scores)
        self.probabilities.append(scores)
        self.class_labels = classes if isinstance(classes, tuple) and classes else None


def _made(call: Call) -> list[str]:
    try:
        made = RULES[call.operation.kind](call)
    except UnderOneError:
        raise
    except (ValueError, TypeError, IndexError, ArithmeticError) as error:  # numbers that are too few, texts for numbers
        raise BadFile(
            f"{call.builder.where}: {call.operation.kind} {call.name!r}: its parameters do not fit: {error}"
        ) from error
    return [made] if isinstance(made, str) else made


def _refuse_unknown(operations: Sequence[Operation], where: str) -> None:
    known = {*RULES, *EXPANDED, "const", _CLASSIFY}
    unknown = Counter(o.kind for o in operations if o.kind not in known)
    if unknown:
        raise Unsupported(f"{where} has operations that are not read: {counted(unknown)}")
