"""Pass: a convolution between DequantizeLinear and QuantizeLinear becomes QLinearConv, which sums whole numbers.

In floating point the order of a sum decides on which side of a rounding a value falls, and each rounding that falls
otherwise moves the next layers; the integer form has one answer on every engine.
"""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from .graph import Array, Graph, Node, unused_name
from .passes import drop_unused


def is_quantised(graph: Graph) -> bool:
    """Say whether a graph rounds tensors to whole numbers."""
    return any(node.op == "QuantizeLinear" for node in graph.nodes)


def integer_convolutions(graph: Graph) -> Graph:
    """Write every convolution of quantised tensors that is rounded at once as QLinearConv.

    Its operand and its weight come from DequantizeLinear with fixed scales, the weight from a constant; its bias is a
    constant, or dequantised from one; its only reader is a QuantizeLinear, or a Clip or Relu before one. Any other
    convolution stays.
    """
    return drop_unused(_Rewriting(graph).graph_of())


@dataclass(frozen=True)
class _Match:
    """A convolution and what stands around it."""

    conv: Node
    x: Node
    weight: Node
    clip: Node | None
    rounding: Node


class _Rewriting:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.constants = dict(graph.constants)
        self.makers = {name: node for node in graph.nodes for name in node.outputs}
        self.reads = Counter(n for node in graph.nodes for n in node.inputs) + Counter(v.name for v in graph.outputs)
        self.readers = {name: node for node in graph.nodes for name in node.inputs}  # the only one where `reads` is 1
        self.taken = graph.names()

    def graph_of(self) -> Graph:
        matches = [m for n in self.graph.nodes if n.op == "Conv" and (m := self.match(n)) is not None]
        written = {id(m.rounding): self.rewritten(m) for m in matches}
        nodes = [new for node in self.graph.nodes for new in written.get(id(node), [node])]
        return replace(self.graph, nodes=tuple(nodes), constants=self.constants)

    def match(self, conv: Node) -> _Match | None:
        x, weight = (self.dequantised(name) for name in conv.inputs[:2])
        if x is None or weight is None or weight.inputs[0] not in self.graph.constants:
            return None
        if any(self.bias(n) is None for n in conv.inputs[2:]) or not self.scales_fit(conv, x):
            return None
        if self.graph.constants[weight.inputs[1]].size > 1 and weight.attrs.get("axis", 1) != 0:
            return None
        clip = self.only_reader(conv.outputs[0], "Clip") or self.only_reader(conv.outputs[0], "Relu")
        rounding = self.only_reader((clip or conv).outputs[0], "QuantizeLinear")
        if rounding is None or len(rounding.inputs) != 3 or not self.has_fixed_scale(rounding):
            return None
        found = _Match(conv, x, weight, clip, rounding)
        return found if len(self.all_bounds(found)) == 1 else None

    def dequantised(self, name: str) -> Node | None:
        """Give the DequantizeLinear that makes a tensor, with fixed scale and zero point; None for any other."""
        node = self.makers.get(name)
        if node is None or node.op != "DequantizeLinear" or len(node.inputs) != 3:
            return None
        return node if all(n in self.graph.constants for n in node.inputs[1:]) else None

    def bias(self, name: str) -> tuple[Array, Array | None] | None:
        """Give a fixed bias: its values, or whole numbers and their scale."""
        if name in self.graph.constants:
            return self.graph.constants[name], None
        node = self.makers.get(name)
        if node is None or node.op != "DequantizeLinear" or any(n not in self.graph.constants for n in node.inputs):
            return None
        values, scale, *zero = (self.graph.constants[n] for n in node.inputs)
        plain = values.dtype == np.int32 and not any(map(np.any, zero))
        return (values, scale) if plain else None

    def scales_fit(self, conv: Node, x: Node) -> bool:
        """Whether the input has one scale, or one for each channel where every channel is summed by itself."""
        group = conv.attrs.get("group", 1)
        depthwise = self.graph.constants[x.inputs[1]].shape == (group,)
        return self.graph.constants[x.inputs[1]].size == 1 or (depthwise and self.has_fixed_scale(x))

    def has_fixed_scale(self, node: Node) -> bool:
        """Whether a tensor has one finite scale above 0, or one for each channel, and one zero point."""
        if any(n not in self.graph.constants for n in node.inputs[1:]):
            return False
        scale, zero = (self.graph.constants[n] for n in node.inputs[1:])
        if not np.all((scale > 0) & np.isfinite(scale)):  # bounds would change places, or be no numbers
            return False
        return scale.size == 1 or (node.attrs.get("axis", 1) == 1 and bool(np.all(zero == zero.flat[0])))

    def only_reader(self, name: str, op: str) -> Node | None:
        node = self.readers.get(name) if self.reads[name] == 1 else None
        return node if node is not None and node.op == op else None

    def rewritten(self, m: _Match) -> list[Node]:
        bias = [self.whole_bias(m)] if len(m.conv.inputs) > 2 else []
        operands = (*self.operands(m), *bias)
        bounds = self.whole_bounds(m)
        name = m.rounding.outputs[0]
        if bounds is None:
            return [Node("QLinearConv", operands, (name,), m.conv.attrs, m.conv.name)]
        inner = self.new_name(f"{name}/unlimited")
        limits = {"min": float(bounds[0]), "max": float(bounds[1])}
        return [
            Node("QLinearConv", operands, (inner,), m.conv.attrs, m.conv.name),
            Node("Clip", (inner,), (name,), limits, m.clip.name if m.clip else ""),
        ]

    def operands(self, m: _Match) -> tuple[str, ...]:
        """Give input, weight and rounding; scales of channels become part of the weight's, where such are allowed."""
        scales = [self.constants[n.inputs[1]] for n in (m.x, m.weight, m.rounding)]
        if scales[0].size == scales[2].size == 1:
            return (*m.x.inputs, *m.weight.inputs, *m.rounding.inputs[1:])
        count = len(self.constants[m.weight.inputs[0]])
        factors = scales[0].ravel() * scales[1].ravel() / scales[2].ravel()
        one = self.constant(m, "one", np.ones((), np.float32))
        x_zero, y_zero = (self.constants[n.inputs[2]].flat[0] for n in (m.x, m.rounding))
        w_zero = np.broadcast_to(self.constants[m.weight.inputs[2]].ravel(), (count,))
        return (
            *(m.x.inputs[0], one, self.constant(m, "x_zero", np.asarray(x_zero))),
            *(m.weight.inputs[0], self.constant(m, "scales", np.broadcast_to(factors, (count,)))),
            *(self.constant(m, "zeros", w_zero), one, self.constant(m, "y_zero", np.asarray(y_zero))),
        )

    def constant(self, m: _Match, part: str, value: Array) -> str:
        name = self.new_name(f"{m.rounding.outputs[0]}/{part}")
        self.constants[name] = np.ascontiguousarray(value) if value.ndim else value
        return name

    def whole_bias(self, m: _Match) -> str:
        x_scale, w_scale = (self.constants[n.inputs[1]] for n in (m.x, m.weight))
        bias, scale = self.bias(m.conv.inputs[2]) or (np.zeros(1), None)
        step, limits = x_scale.astype(np.float64) * w_scale.astype(np.float64), np.iinfo(np.int32)
        if scale is not None and np.array_equal(scale, x_scale * w_scale):
            whole = bias
        else:
            values = bias.astype(np.float64) * (1 if scale is None else scale.astype(np.float64))
            whole = np.clip(np.rint(values / step), limits.min, limits.max).astype(np.int32)
        name = self.new_name(f"{m.conv.inputs[2]}/whole")
        self.constants[name] = whole
        return name

    def whole_bounds(self, m: _Match) -> tuple[int, int] | None:
        """Give the bounds of the Clip in quantised values; None where the type has the same."""
        info = np.iinfo(self.constants[m.rounding.inputs[2]].dtype)
        (bounds,) = self.all_bounds(m)
        return None if bounds == (info.min, info.max) else bounds

    def all_bounds(self, m: _Match) -> set[tuple[int, int]]:
        """Give the bounds of the Clip in quantised values, of every channel."""
        scale, zero = (self.constants[n] for n in m.rounding.inputs[1:])
        attrs = {} if m.clip is None else {"min": 0.0} if m.clip.op == "Relu" else m.clip.attrs
        limits = (attrs.get("min", -np.inf), attrs.get("max", np.inf))
        return {whole_bounds(float(s), zero.flat[:1], limits) for s in scale.flat}

    def new_name(self, wanted: str) -> str:
        name = unused_name(wanted, self.taken)
        self.taken.add(name)
        return name


def whole_bounds(scale: float, zero: Array, limits: tuple[float, float]) -> tuple[int, int]:
    """Give the bounds of a Clip in the quantised values behind it."""
    info = np.iinfo(zero.dtype)
    low, high = (float(np.clip(np.rint(v / scale) + int(zero.item()), info.min, info.max)) for v in limits)
    return int(low), int(high)
