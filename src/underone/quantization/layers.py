"""What of a network is quantised: its products with fixed weights, and the tensors that they read."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..graph import Array, Graph, Node

# operators that calculate in uint8 where what reads their result does
_JOINING = frozenset(("Add", "Concat", "AveragePool", "GlobalAveragePool"))
# of these the result holds the operand's values, or values between them: it has the operand's range
_SAME_RANGE = frozenset(
    ("MaxPool", "GlobalMaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Resize")
)
_FOLLOWING = _JOINING | _SAME_RANGE
_LIMITING = frozenset(("Relu", "Clip"))


@dataclass(frozen=True)
class Layer:
    """A convolution or matrix product whose weights are fixed.

    Attributes:
        node: Conv, Gemm or MatMul.
        result: name of the tensor behind its Relu or Clip.
    """

    node: Node
    result: str

    @property
    def name(self) -> str:
        """The name that `Engine.profile` shows."""
        return self.node.name or self.node.outputs[0]

    @property
    def output(self) -> str:
        """Name of the tensor before its Relu or Clip."""
        return self.node.outputs[0]

    @property
    def axis(self) -> int:
        """The axis of the weight that counts outputs."""
        return 0 if self.node.op == "Conv" or self.node.attrs.get("transB") else 1

    @property
    def groups(self) -> int:
        """Groups of channels that do not see each other."""
        return int(self.node.attrs.get("group", 1))

    def rows(self, weight: Array) -> Array:
        """Give a weight as (groups, outputs of a group, inputs of a group by taps)."""
        weight = np.moveaxis(weight, self.axis, 0)
        return weight.reshape(self.groups, weight.shape[0] // self.groups, -1)

    def shaped(self, rows: Array, like: Array) -> Array:
        """Undo `rows`."""
        return np.moveaxis(rows.reshape(np.moveaxis(like, self.axis, 0).shape), 0, self.axis)


def layers_of(graph: Graph) -> list[Layer]:
    """List the layers in the order of the graph; products of two computed tensors are none."""
    readers = readers_of(graph)
    outputs = {v.name for v in graph.outputs}
    found = []
    for node in graph.nodes:
        if _has_fixed_weights(node, graph.constants):
            behind = readers.get(node.outputs[0], [])
            fused = len(behind) == 1 and behind[0].op in _LIMITING and node.outputs[0] not in outputs
            found.append(Layer(node, behind[0].outputs[0] if fused else node.outputs[0]))
    return found


def quantized_tensors(graph: Graph, layers: Collection[Layer]) -> dict[str, str]:
    """Find the tensors that are stored in uint8: those that the layers read, and those that these are made of.

    Args:
        graph: the network.
        layers: that are quantised.

    Returns:
        By name of the tensor, the tensor whose range it has: mostly itself.
    """
    makers = {name: node for node in graph.nodes for name in node.outputs}
    gates = gate_nodes(graph)
    wanted = [layer.node.inputs[0] for layer in layers]
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in found or name in graph.constants:
            continue
        found.add(name)
        node = makers.get(name)
        if node is not None and node.op in _LIMITING:
            node = makers.get(node.inputs[0])
        if node is not None and node.op in _FOLLOWING and node.outputs[0] not in gates:
            wanted += [n for n in node.inputs if n]
    order = [v.name for v in graph.inputs] + [n for node in graph.nodes for n in node.outputs]
    owner: dict[str, str] = {}
    for name in order:
        if name in found:
            node = makers.get(name)
            shared = node is not None and node.op in _SAME_RANGE and node.inputs[0] in owner
            owner[name] = owner[node.inputs[0]] if node is not None and shared else name
    return owner


def gate_nodes(graph: Graph) -> set[str]:
    """Name the tensors of squeeze-and-excite branches, from the pool to the sigmoid: they cost nothing in float."""
    makers = {name: node for node in graph.nodes for name in node.outputs}
    found: set[str] = set()
    for node in graph.nodes:
        for name in node.inputs if node.op == "Mul" else ():
            branch = list(_back_to_pool(name, makers))
            if branch and branch[-1].op in ("GlobalAveragePool", "ReduceMean"):
                found.update(n.outputs[0] for n in branch)
    return found


def readers_of(graph: Graph) -> dict[str, list[Node]]:
    """List the nodes that read each tensor."""
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    return readers


def _back_to_pool(name: str, makers: Mapping[str, Node]) -> Iterator[Node]:
    node = makers.get(name)
    if node is None or node.op not in ("Sigmoid", "HardSigmoid", "Clip"):
        return
    while node is not None and node.op in ("Sigmoid", "HardSigmoid", "Clip", "Conv", "Relu", "HardSwish", "Reshape"):
        yield node
        node = makers.get(node.inputs[0])
    if node is not None:
        yield node


def _has_fixed_weights(node: Node, constants: Mapping[str, Array]) -> bool:
    if node.op not in ("Conv", "Gemm", "MatMul") or any(n not in constants for n in node.inputs[1:]):
        return False
    weight = constants[node.inputs[1]]
    if node.op == "MatMul":
        return weight.ndim == 2
    plain = all(node.attrs.get(k, v) == v for k, v in (("alpha", 1.0), ("beta", 1.0), ("transA", 0)))
    return node.op == "Conv" or (plain and (len(node.inputs) < 3 or constants[node.inputs[2]].ndim == 1))
