"""Builder: collects the nodes of a foreign network and makes a Graph of them.

Tensors keep the source's layout while the network is built. What follows from constants is computed at once; shapes and
dtypes are known as soon as a node is added, and None stands for a size that follows an open size of the inputs.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import BadFile, BadValue, ShapeError, Unsupported
from ..graph import OPS, Array, Graph, Node, TensorType, Value
from ..graph.graph import unused_name
from ..graph.passes import drop_identities, drop_unused
from ..graph.reference import run_node
from ..graph.shapes import PROBES, node_types
from ..graph.transposes import move_transposes
from ..spec import InputSpec, ModelSpec, OutputSpec, Preparation, Shape

_LARGEST_TENSOR = 1 << 28  # elements of one tensor
_LARGEST_CONSTANTS = 1 << 27  # elements of all constants that are computed
_MOST_MACS = 1 << 30  # for the same
_MOST_NODES = 1 << 16
_PICTURE_CHANNELS = (1, 3, 4)

TO_FIRST, TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)  # permutations NHWC → NCHW and back


class Builder:
    """Collects nodes, constants and borders."""

    def __init__(self, where: str, most_computed: int = _LARGEST_CONSTANTS) -> None:
        """Begin a network.

        Args:
            where: the file's name, for messages.
            most_computed: elements of all constants that may be computed from constants.
        """
        self.where = where
        self._most_computed = most_computed
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self.inputs: list[Value] = []
        self.outputs: dict[str, str] = {}
        self.notes: list[str] = []
        self._types: dict[str, tuple[TensorType, TensorType]] = {}  # in the two readings
        self._numbers: dict[str, int] = {}  # the last number behind each name that was wanted several times
        self._computed = 0
        self._macs = 0

    def shapes(self, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Give the shape of a tensor in the two readings of the inputs' open sizes."""
        a, b = self._types[name]
        return a.shape, b.shape

    def shape(self, name: str) -> Shape:
        """Give the shape of a tensor; None where it follows an open size of the inputs."""
        a, b = self._types[name]
        return tuple(m if m == n else None for m, n in zip(a.shape, b.shape, strict=True))

    def fixed_shape(self, name: str, axes: Sequence[int] | None = None) -> tuple[int, ...]:
        """Give the sizes of a tensor along `axes`, all by default.

        Raises:
            Unsupported: one of them is open.
        """
        shape = self.shape(name)
        found = shape if axes is None else tuple(shape[a] for a in axes)
        if None in found:
            raise Unsupported(
                f"{self.where}: tensor {name!r} has shape {shape}; "
                "the network needs these sizes fixed (None is open): fix the shape of the input"
            )
        return tuple(d for d in found if d is not None)

    def rank(self, name: str) -> int:
        """Give the number of axes of a tensor."""
        return len(self._types[name][0].shape)

    def dtype(self, name: str) -> str:
        """Give numpy's name of a tensor's numbers."""
        return self._types[name][0].dtype

    def input(self, name: str, shape: Shape, dtype: str = "float32") -> str:
        """Add an input of the network.

        Args:
            name: the source's.
            shape: in the source's layout, None where any size is taken.
            dtype: numpy's name.

        Returns:
            The tensor to build on, in the source's layout. A picture, (N, H, W, C) with 1, 3 or 4 channels, is taken as
            (N, C, H, W) by the finished graph.
        """
        if name in self._types:
            raise BadFile(f"{self.where}: input {name!r} is given twice")
        is_picture = len(shape) == 4 and shape[3] in _PICTURE_CHANNELS
        value = Value(name, tuple(shape[p] for p in TO_FIRST) if is_picture else tuple(shape), dtype)
        self.inputs.append(value)
        first, second = (tuple(p[i > 0] if d is None else d for i, d in enumerate(value.shape)) for p in PROBES)
        self._types[name] = (TensorType(first, dtype), TensorType(second, dtype))
        return self.add("Transpose", [name], f"{name}/channels_last", perm=TO_LAST) if is_picture else name

    def constant(self, name: str, value: Array) -> str:
        """Add a constant and give its name here, `name` or one like it."""
        name = self._unused(name)
        self.constants[name] = value
        self._types[name] = (TensorType(value.shape, value.dtype.name),) * 2
        return name

    def value(self, name: str) -> Array | None:
        """Give the value of a tensor that follows from constants alone; None for any other."""
        return self.constants.get(name)

    def fixed_value(self, name: str, what: str) -> Array:
        """Give the value of a tensor that must follow from constants.

        Raises:
            Unsupported: it follows from the inputs; `what` is named.
        """
        if name not in self.constants:
            raise Unsupported(f"{self.where}: {what} is computed from the input's values; only fixed ones are read")
        return self.constants[name]

    def add(self, op: str, inputs: Sequence[str], name: str, **attrs: Any) -> str:
        """Add a node with one output; ONNX's operator and attributes, tensors in the source's layout.

        Returns:
            The name of its output: `name`, or one like it where that is taken.

        Raises:
            BadFile: the operands do not fit the operator, or a tensor is too large.
        """
        return self.add_many(op, inputs, [name], **attrs)[0]

    def add_many(self, op: str, inputs: Sequence[str], names: Sequence[str], **attrs: Any) -> list[str]:
        """Add a node with several outputs; see `add`."""
        if op == "Transpose" and attrs["perm"] == tuple(range(len(attrs["perm"]))):
            return [inputs[0]]
        given: dict[str, None] = {}
        for name in names:
            given[self._unused(name, given)] = None
        outputs = list(given)
        node = Node(op, tuple(inputs), tuple(outputs), attrs, outputs[0])
        node, readings = self._checked(node)
        self._types |= zip(outputs, zip(*readings, strict=True), strict=True)
        if inputs and all(n in self.constants for n in inputs if n) and op != "DequantizeLinear":
            self._compute(node, readings[0])
        else:
            self.nodes.append(node)
        return outputs

    def output(self, name: str, tensor: str) -> None:
        """Let `tensor` be an output of the network under the source's name."""
        self.outputs[name] = tensor

    def note(self, sentence: str) -> None:
        """Say what is left out or assumed, and why; once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def finish(
        self,
        name: str,
        labels: tuple[str, ...] | None = None,
        preparation: Preparation | None = None,
        meanings: Mapping[str, Any] | None = None,
    ) -> Graph:
        """Make the graph: transposes moved away, dead nodes left out, the borders named as in the source.

        Args:
            name: of the network, for its spec.
            labels: class names by index of the output.
            preparation: of the picture input.
            meanings: meaning of outputs by name ("logits", "probabilities"); the task is then to classify.

        Raises:
            Unsupported: there are no outputs.
        """
        if not self.outputs or self.outputs.keys() & {v.name for v in self.inputs}:
            raise Unsupported(f"{self.where}: outputs {list(self.outputs)}; at least one that is no input is required")
        copies = [Node("Identity", (t,), (self._free(o),), {}, o) for o, t in self.outputs.items()]
        ends = {node.name: node.outputs[0] for node in copies}
        outputs = [Value(end, self.shape(self.outputs[o]), self.dtype(self.outputs[o])) for o, end in ends.items()]
        graph = Graph((*self.nodes, *copies), tuple(self.inputs), tuple(outputs), dict(self.constants))
        sizes = {v.name: self._types[v.name][1].shape for v in self.inputs}
        graph = drop_unused(drop_identities(move_transposes(graph, sizes)))
        graph = _with_names(graph, {end: o for o, end in ends.items()})
        return replace(graph, spec=self._spec(name, graph, labels, preparation, meanings or {}))

    def spend(self, name: str, elements: int, macs: int = 0) -> None:
        """Count elements of a constant that is about to be computed.

        Args:
            name: what computes it, for the message.
            elements: of the constant.
            macs: multiply-accumulates of the computation.

        Raises:
            BadFile: together with those before they are more than a file of this size needs.
        """
        self._computed, self._macs = self._computed + elements, self._macs + macs
        if self._computed > self._most_computed or self._macs > _MOST_MACS:
            raise BadFile(
                f"{self.where}: {name}: constants of {self._computed} elements are computed from constants; "
                f"at most {self._most_computed} are"
            )

    def _unused(self, wanted: str, given: Container[str] = ()) -> str:
        """Give `wanted`, or with the next number behind it where that is taken."""
        name = wanted
        while name in self._types or name in given:
            self._numbers[wanted] = self._numbers.get(wanted, 0) + 1
            name = f"{wanted}.{self._numbers[wanted]}"
        return name

    def _free(self, name: str) -> str:
        return unused_name(f"{name}/output", self._types)

    def _checked(self, node: Node) -> tuple[Node, list[list[TensorType]]]:
        if len(self.nodes) >= _MOST_NODES:
            raise BadFile(f"{self.where}: more than {_MOST_NODES} nodes")
        missing = [n for n in node.inputs if n and n not in self._types]
        if missing:
            raise BadFile(f"{self.where}: node {node.name!r} ({node.op}) reads {missing[0]!r}, which nothing gives")
        try:
            attrs, readings = node.attrs, []
            for i in (1, 0):
                attrs, types = node_types(node, [self._types[n][i] for n in node.inputs if n])
                readings.append(types)
        except (ShapeError, BadValue, OverflowError, IndexError, ZeroDivisionError) as error:
            raise BadFile(f"{self.where}: {str(error) or node.op}") from error
        largest = max((t.elements for t in readings[0]), default=0)
        if largest > _LARGEST_TENSOR:
            raise BadFile(f"{self.where}: node {node.name!r} ({node.op}) makes a tensor of {largest} elements")
        return replace(node, attrs=attrs), readings[::-1]

    def _compute(self, node: Node, types: Sequence[TensorType]) -> None:
        macs = OPS[node.op].macs([self._types[n][0].shape for n in node.inputs if n], types[0].shape, node.attrs)
        self.spend(f"node {node.name!r} ({node.op})", sum(t.elements for t in types), macs)
        try:
            with np.errstate(all="ignore"):  # infinities are results, not accidents
                results = run_node(node, [self.constants[n] for n in node.inputs if n])
        except (ValueError, TypeError, IndexError, ArithmeticError, MemoryError) as error:
            what = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BadFile(f"{self.where}: node {node.name!r} ({node.op}): {what}") from error
        self.constants |= zip(node.outputs, results, strict=True)

    def _spec(
        self,
        name: str,
        graph: Graph,
        labels: tuple[str, ...] | None,
        preparation: Preparation | None,
        meanings: Mapping[str, Any],
    ) -> ModelSpec:
        pictures = [v.name for v in graph.inputs if len(v.shape) == 4 and v.shape[1] in _PICTURE_CHANNELS]
        inputs = [
            InputSpec(
                name=v.name, shape=v.shape, dtype=v.dtype, preparation=preparation if v.name in pictures[:1] else None
            )
            for v in graph.inputs
        ]
        outputs = [
            OutputSpec(name=v.name, shape=v.shape, dtype=v.dtype, meaning=meanings.get(v.name)) for v in graph.outputs
        ]
        task = "classify" if meanings else None
        return ModelSpec(name=name, task=task, inputs=tuple(inputs), outputs=tuple(outputs), labels=labels)


def _with_names(graph: Graph, names: Mapping[str, str]) -> Graph:
    """Give the outputs their names, `names` by the tensors that stand for them, and leave out what only copies to them.

    A tensor inside that has such a name gets another.
    """
    written = {o for n in graph.nodes for o in n.outputs}
    copies = {n.outputs[0]: n.inputs[0] for n in graph.nodes if n.op == "Identity" and n.inputs[0] in written}
    new = dict(names)
    for end, name in names.items():
        source = copies.get(end, end)
        if source not in new:
            new[source] = name  # the copy then reads and writes one name, and is left out
    taken = graph.names() | set(names.values())
    for name in (written | graph.constants.keys()) & set(names.values()) - new.keys():
        new[name] = unused_name(f"{name}/inside", taken)
    nodes = (
        replace(n, inputs=tuple(new.get(i, i) for i in n.inputs), outputs=tuple(new.get(o, o) for o in n.outputs))
        for n in graph.nodes
    )
    constants = {new.get(n, n): c for n, c in graph.constants.items()}
    outputs = tuple(replace(v, name=names[v.name]) for v in graph.outputs)
    return replace(graph, nodes=tuple(n for n in nodes if n.inputs != n.outputs), outputs=outputs, constants=constants)
