"""What stands around quantised tensors: sums and products between DequantizeLinear and QuantizeLinear."""

from dataclasses import dataclass, replace

from ..graph import Graph, Node
from ..graph.integer_form import whole_bounds
from .finish import Finish, finish_of
from .quantised import BYTES, Scale, scale_of, shifted
from .quantised_form import MOVES
from .readers import Readers


@dataclass(frozen=True)
class Joined:
    """Two tensors of bytes that are dequantised, joined and quantised again.

    Attributes:
        sources: names of both.
        scales: of both.
        total: scale of the result, with the bounds of a function before it.
        nodes: behind the one that joins them.
    """

    sources: tuple[str, str]
    scales: tuple[Scale, Scale]
    total: Scale
    nodes: tuple[Node, ...]

    @property
    def result(self) -> str:
        """Name of what they become."""
        return self.nodes[-1].outputs[0]

    def turned(self) -> "Joined":
        """Give the same, the second tensor first."""
        return replace(self, sources=self.sources[::-1], scales=self.scales[::-1])


def joined(readers: Readers, node: Node) -> Joined | None:
    """Describe an Add or a Mul of two dequantised tensors that is quantised again."""
    makers = [readers.makers.get(n) for n in node.inputs]
    found = [m for m in makers if m is not None and m.op == "DequantizeLinear"]
    scales = [s for m in found if (s := scale_of(readers.graph.constants, m.inputs)) is not None]
    end = rounding(readers, node.outputs[0])
    if len(found) != 2 or len(scales) != 2 or end is None:
        return None
    return Joined((found[0].inputs[0], found[1].inputs[0]), (scales[0], scales[1]), *end)


def rounding(readers: Readers, name: str) -> tuple[Scale, tuple[Node, ...]] | None:
    """Find the QuantizeLinear that alone reads a tensor, or a Relu or Clip before it: its scale, and the nodes."""
    node = readers.only_reader(name)
    clip = node if node is not None and node.op in ("Relu", "Clip") else None
    last = readers.only_reader(clip.outputs[0]) if clip is not None else node
    constants = readers.graph.constants
    scale = scale_of(constants, last.inputs) if last is not None and last.op == "QuantizeLinear" else None
    limits = finish_of(clip, readers.types) if clip is not None else Finish()
    if last is None or scale is None or limits is None:
        return None
    zero = constants[last.inputs[2]]
    low, high = whole_bounds(scale.step, zero, (limits.low, limits.high))
    shift = shifted(zero) - int(zero.item())
    nodes = (last,) if clip is None else (clip, last)
    return replace(scale, low=low + shift, high=high + shift), nodes


def zeros_of(graph: Graph) -> dict[str, int | None]:
    """Give the zero point that each tensor of bytes is written with: 0 where nothing says it, None where several do.

    A Concat clears no border: each of its operands lies there with its own.
    """
    found: dict[str, int | None] = {}
    for node in graph.nodes:
        if node.op in ("Clip", *MOVES):
            zeros = {found.get(name, 0) for name in (node.inputs if node.op == "Concat" else node.inputs[:1])}
            found[node.outputs[0]] = zeros.pop() if len(zeros) == 1 else None
        else:
            found |= dict.fromkeys(node.outputs, _written_zero(graph, node))
    return found


def _written_zero(graph: Graph, node: Node) -> int:
    at = {"QuantizeLinear": 2, "QLinearConv": 7}.get(node.op)
    value = graph.constants.get(node.inputs[at]) if at is not None and at < len(node.inputs) else None
    return 0 if value is None or value.size != 1 or value.dtype.name not in BYTES else shifted(value)
