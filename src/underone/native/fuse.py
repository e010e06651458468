"""Find what is computed together: convolutions with their functions, depthwise pairs and triples, residual sums."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..graph import Node
from ..graph.ops import attributes
from ..graph.shape_rules import window_pads
from .byte_nodes import Joined, joined, zeros_of
from .finish import Finish, finish_of
from .quantised import Whole, whole_of
from .readers import Readers

FEW_CHANNELS = 16  # an image with fewer is unfolded as it comes, without a map of its own
_CELL_CHANNELS = 32  # that cells of every float format hold without a rest


@dataclass(frozen=True)
class Convolution:
    """One convolution and the function behind it."""

    node: Node
    attrs: Mapping[str, Any]
    pads: tuple[int, int, int, int]  # top, left, bottom, right
    taps: tuple[tuple[int, int], tuple[int, int]]  # rows and columns of the weight that ever meet the image
    depthwise: bool
    groups: int = 1  # of a convolution that is not depthwise
    finish: Finish = field(default_factory=Finish)
    whole: Whole | None = None  # of one on bytes
    computed_bias: bool = False  # by other nodes

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the window."""
        (top, bottom), (left, right) = self.taps
        return bottom - top, right - left

    @property
    def is_plain_product(self) -> bool:
        """Whether it is a 1x1 convolution that keeps the map's size."""
        one = self.kernel == (1, 1) and self.attrs["strides"] == (1, 1) and not any(self.pads)
        return one and not self.depthwise and self.groups == 1


@dataclass(frozen=True)
class Chain:
    """Convolutions that are computed together, row tile by row tile.

    Attributes:
        source: name of the map that it reads.
        result: name of what it gives.
        nodes: the graph's nodes that it computes, in order.
        expand, depthwise, project: its stages; at least one of the latter two.
        added: name of the map that is added to the last stage.
        sum: how it is added, of bytes: the stage's result first.
    """

    source: str
    result: str
    nodes: tuple[Node, ...]
    expand: Convolution | None = None
    depthwise: Convolution | None = None
    project: Convolution | None = None
    added: str = ""
    sum: Joined | None = None


class Fuser(Readers):
    """Looks along the graph from a convolution on; nodes of the names in `apart` are joined with nothing."""

    @cached_property
    def zeros(self) -> dict[str, int | None]:
        """What the borders of maps of bytes hold (`zeros_of`)."""
        return zeros_of(self.graph)

    def convolution(self, node: Node | None) -> Convolution | None:
        """Describe a convolution that runs on maps, or None."""
        if node is None or node.op not in ("Conv", "QLinearConv") or len(node.inputs) < 2 or self.is_apart(node):
            return None
        whole = whole_of(self.graph.constants, node) if node.op == "QLinearConv" else None
        x, w = self.types[node.inputs[0]], self.types[node.inputs[weight_operand(node)]]
        if whole is None and node.inputs[1] not in self.graph.constants:
            return None
        if len(x.shape) != 4 or x.shape[0] != 1 or 0 in x.shape:
            return None
        if whole is None and {x.dtype, w.dtype} != {"float32"}:
            return None
        attrs = dict(attributes("Conv", node.attrs, [x.shape, w.shape]))
        depthwise = attrs["group"] > 1 and attrs["group"] == x.shape[1] == w.shape[0]
        if 0 in self.types[node.outputs[0]].shape:
            return None
        outs = self.types[node.outputs[0]].shape[2:]
        pairs = window_pads(x.shape[2:], w.shape[2:], attrs)
        axes = zip(x.shape[2:], outs, w.shape[2:], attrs["strides"], attrs["dilations"], pairs, strict=True)
        (rows, (top, bottom)), (columns, (left, right)) = (_met(*axis) for axis in axes)
        if min(top, left, bottom, right) < 0 or max(top, left, bottom, right) > 4096:
            return None
        groups = 1 if depthwise else attrs["group"]
        if whole is not None and (
            groups > 1 or (any((top, left, bottom, right)) and not self._borders_fit(node, whole))
        ):
            return None
        computed = whole is None and any(name not in self.graph.constants for name in node.inputs[2:] if name)
        pads = (top, left, bottom, right)
        found = Convolution(node, attrs, pads, (rows, columns), depthwise, groups, whole=whole, computed_bias=computed)
        return None if computed and not self.takes_computed_bias(found) else found

    def takes_computed_bias(self, conv: Convolution) -> bool:
        """Whether a convolution may have a bias that is computed: a product of a map that fills its cells."""
        x, w = (self.types[name].shape for name in conv.node.inputs[:2])
        product = conv.is_plain_product and conv.whole is None
        return product and x[1] >= FEW_CHANNELS and x[2:] != (1, 1) and w[0] % _CELL_CHANNELS == 0

    def _borders_fit(self, node: Node, whole: Whole) -> bool:
        """Whether the border of a map of bytes holds the zero of its reader."""
        return self.zeros.get(node.inputs[0], 0) == whole.x_zero

    def finished(self, name: str) -> tuple[Finish, str, tuple[Node, ...]]:
        """Take the function behind a tensor with it, if nothing else reads in between.

        Returns:
            The function, the name of its result, and the nodes that it is.
        """
        node = self.only_reader(name)
        found = finish_of(node, self.types) if node is not None else None
        if node is not None and found is not None:
            return found, node.outputs[0], (node,)
        both = self.silu(name)
        return (Finish(function="silu"), both[1].outputs[0], both) if both else (Finish(), name, ())

    def chain(self, node: Node, ready: Mapping[str, int], taken: Container[int] = ()) -> Chain | None:
        """Find what is computed together with a convolution.

        Args:
            node: the first convolution.
            ready: position of the node that makes each tensor, for the residual.
            taken: ids of nodes that belong to other chains: of two convolutions that are added, one takes the sum.
        """
        first = self.convolution(node)
        if first is None:
            return None
        first, name, nodes = self._with_finish(first)
        found = Chain(node.inputs[0], name, nodes)
        if first.depthwise:
            return self._projected(replace(found, depthwise=first), ready, taken)
        may_expand = first.is_plain_product and not first.computed_bias
        second = self.convolution(self.only_reader(name)) if may_expand else None
        wider = self.types[node.inputs[0]].shape[1] <= self.types[name].shape[1]
        if second is None or not second.depthwise or not wider:
            return self._summed(replace(found, project=first), ready, taken)
        second, name, more = self._with_finish(second)
        return self._projected(
            replace(found, expand=first, depthwise=second, result=name, nodes=(*nodes, *more)), ready, taken
        )

    def _with_finish(self, conv: Convolution) -> tuple[Convolution, str, tuple[Node, ...]]:
        finish, name, nodes = self.finished(conv.node.outputs[0])
        return replace(conv, finish=finish), name, (conv.node, *nodes)

    def _projected(self, chain: Chain, ready: Mapping[str, int], taken: Container[int]) -> Chain:
        last = self.convolution(self.only_reader(chain.result))
        if last is None or not last.is_plain_product:
            return chain
        last, name, nodes = self._with_finish(last)
        return self._summed(replace(chain, project=last, result=name, nodes=(*chain.nodes, *nodes)), ready, taken)

    def _summed(self, chain: Chain, ready: Mapping[str, int], taken: Container[int]) -> Chain:
        """Take the residual sum with it when the other operand is a map of the same size that exists by then."""
        last = chain.project
        if last is not None and last.whole is not None:
            return self._summed_bytes(chain, ready, taken)
        node = self.only_reader(chain.result)
        if last is None or last.finish != Finish() or node is None or node.op != "Add" or id(node) in taken:
            return chain
        other = next((n for n in node.inputs if n != chain.result), "")
        same = (
            other in self.types and self.types[other] == self.types[chain.result] and other not in self.graph.constants
        )
        if not same or ready.get(other, -1) >= self.order[id(node)]:
            return chain
        finish, name, nodes = self.finished(node.outputs[0])
        return replace(
            chain, project=replace(last, finish=finish), added=other, result=name, nodes=(*chain.nodes, node, *nodes)
        )

    def _summed_bytes(self, chain: Chain, ready: Mapping[str, int], taken: Container[int]) -> Chain:
        """Take the residual sum of dequantised maps with it, when it is quantised again."""
        first = self.only_reader(chain.result)
        node = self.only_reader(first.outputs[0]) if first is not None and first.op == "DequantizeLinear" else None
        found = joined(self, node) if node is not None and node.op == "Add" and id(node) not in taken else None
        if first is None or node is None or found is None:
            return chain
        found = found if found.sources[0] == chain.result else found.turned()
        own, other = found.sources
        if own != chain.result or self.types[other].shape != self.types[own].shape or other in self.graph.constants:
            return chain
        if ready.get(other, -1) >= self.order[id(node)]:
            return chain
        nodes = (*chain.nodes, first, node, *found.nodes)
        return replace(chain, added=other, sum=found, result=found.result, nodes=nodes)


def weight_operand(node: Node) -> int:
    """Give which operand of a convolution is its weight."""
    return 3 if node.op == "QLinearConv" else 1


def _met(
    size: int, out: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Leave out the taps of one axis that meet nothing but padding (wide dilations on small maps).

    Returns:
        The first tap that stays and the one behind the last, and the padding for these.
    """
    before = pads[0]
    met = [t for t in range(kernel) if -(out - 1) * stride <= t * dilation - before < size] if kernel < 4096 else []
    if not met or len(met) == kernel:
        return (0, kernel), pads
    first, last = met[0], met[-1]
    ahead = before - first * dilation
    behind = (out - 1) * stride + (last - first) * dilation + 1 - size - ahead
    return ((first, last + 1), (ahead, behind)) if min(ahead, behind) >= 0 else ((0, kernel), pads)


def window_attrs(conv: Convolution) -> dict[str, Any]:
    """Give the attributes of a step's window."""
    names: Sequence[str] = ("strides", "dilations")
    return {name: list(conv.attrs[name]) for name in names} | {"kernel": list(conv.kernel), "pads": list(conv.pads)}


def as_float(array: Any) -> Any:
    """Give a contiguous float32 array."""
    return np.ascontiguousarray(array, np.float32)
