"""Graph → Program: folding, fusion, and what lies in cells and what lies plain."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..graph import Array, Graph, Node, TensorType, infer_shapes
from ..graph.ops import attributes, op_of
from ..graph.passes import drop_identities, drop_unused, fold_batch_norm, fold_pad_into_conv
from ..graph.shapes import label
from .fuse import Chain, Convolution, Finish, Fuser, as_float, finish_of, window_attrs
from .join import join_stems
from .program import Program, Step

_FEW_CHANNELS = 16  # an image with fewer is unfolded as it comes, without a map of its own
_RESHAPES = ("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity")


def lower(graph: Graph, sizes: Mapping[str, Sequence[int]]) -> Program:
    """Turn a graph into the steps of a plan.

    Args:
        graph: any graph; float16 tensors become float32.
        sizes: full shape of every input.

    Returns:
        The program. Maps lie in cells from the first convolution to the last operator that works on them.

    Raises:
        ShapeError, BadValue, UnknownName: as `infer_shapes`.
    """
    simple = fold_batch_norm(fold_pad_into_conv(drop_identities(drop_unused(widen_float16(graph)))))
    return _Lowering(simple, infer_shapes(simple, sizes=sizes)).program()


def widen_float16(graph: Graph) -> Graph:
    """Let everything that is float16 be float32."""

    def dtype(name: str) -> str:
        return "float32" if name == "float16" else name

    def widened(node: Node) -> Node:
        changed = {k: dtype(v) for k, v in node.attrs.items() if k in ("to", "dtype")}
        return replace(node, attrs={**node.attrs, **changed}) if changed else node

    constants = {n: c.astype(np.float32) if c.dtype == np.float16 else c for n, c in graph.constants.items()}
    borders = [tuple(replace(v, dtype=dtype(v.dtype)) for v in values) for values in (graph.inputs, graph.outputs)]
    nodes = tuple(map(widened, graph.nodes))
    return replace(graph, nodes=nodes, inputs=borders[0], outputs=borders[1], constants=constants)


class _Lowering:
    def __init__(self, graph: Graph, types: Mapping[str, TensorType]) -> None:
        self.graph, self.types = graph, types
        self.fuser = Fuser(graph, types)
        self.made = Program()
        self.plain: dict[str, int] = {}
        self.maps: dict[str, int] = {}
        self.needed_pads: dict[int, int] = {}
        self.equal_pads: list[tuple[int, int]] = []
        self.done: set[int] = set()  # nodes that a step before theirs computes
        self.producers = {name: node for node in graph.nodes for name in node.outputs}

    def program(self) -> Program:
        for value in self.graph.inputs:
            self.plain[value.name] = self.made.tensor(self.types[value.name])
        self.made.inputs = [self.plain[v.name] for v in self.graph.inputs]
        for work in self._schedule():
            if isinstance(work, Chain):
                self._chain(work)
            elif id(work) not in self.done:
                self._node(work)
        self.made.outputs = [self.as_plain(v.name) for v in self.graph.outputs]
        self._settle_pads()
        return join_stems(_without_dead_steps(self.made))

    def _schedule(self) -> list[Node | Chain]:
        """Put every chain where its last node stands."""
        ready = {name: i for i, node in enumerate(self.graph.nodes) for name in node.outputs}
        taken: set[int] = set()
        at: dict[int, Chain] = {}
        for node in self.graph.nodes:
            chain = None if id(node) in taken or self._is_vector(node) else self.fuser.chain(node, ready)
            if chain is not None and not taken.intersection(map(id, chain.nodes)):
                taken.update(map(id, chain.nodes))
                at[id(chain.nodes[-1])] = chain
        return [at.get(id(n), n) for n in self.graph.nodes if id(n) not in taken or id(n) in at]

    # tensors

    def as_plain(self, name: str) -> int:
        """Give the number of a plain tensor, stored from its map if need be."""
        if name not in self.plain:
            if name in self.graph.constants:
                self.plain[name] = self.made.constant(np.ascontiguousarray(self.graph.constants[name]))
            else:
                self.plain[name] = self.made.tensor(self.types[name])
                self._step("cells.store", name, {}, [self.maps[name]], [self.plain[name]])
        return self.plain[name]

    def as_map(self, name: str, pad: int = 0) -> int:
        """Give the number of a map with at least this border, loaded from a plain tensor if need be."""
        if name not in self.maps:
            plain = self.as_plain(name)
            self._step("cells.load", name, {}, [plain], [self._new_map(name)])
        number = self.maps[name]
        self.needed_pads[number] = max(self.needed_pads.get(number, 0), pad)
        return number

    def _new_map(self, name: str) -> int:
        self.maps[name] = self.made.tensor(self.types[name], 0)
        return self.maps[name]

    def _settle_pads(self) -> None:
        changed = True
        while changed:
            changed = False
            for a, b in self.equal_pads:
                pads = self.needed_pads.get(a, 0), self.needed_pads.get(b, 0)
                if pads[0] != pads[1]:
                    self.needed_pads[a] = self.needed_pads[b] = max(pads)
                    changed = True
        for number, pad in self.needed_pads.items():
            self.made.pads[number] = pad

    def _step(
        self, op: str, name: str, attrs: Mapping[str, Any], inputs: Sequence[int], outputs: Sequence[int],
        nodes: Sequence[Node] = (),
    ) -> None:  # fmt: skip
        names = tuple(n.name or n.outputs[0] for n in nodes)
        macs = sum(self._macs(node) for node in nodes)
        moved = sum(4 * self.made.types[i].elements for i in (*inputs, *outputs) if i >= 0)
        self.made.steps.append(Step(op, name, attrs, tuple(inputs), tuple(outputs), names, macs, moved))

    def _macs(self, node: Node) -> int:
        shapes = [self.types[n].shape for n in node.inputs if n]
        return op_of(node).macs(shapes, self.types[node.outputs[0]].shape, attributes(node.op, node.attrs, shapes))

    def _weights(self, conv: Convolution | None) -> list[int]:
        if conv is None:
            return [-1, -1]
        weight, bias = conv.node.inputs[1], conv.node.inputs[2] if len(conv.node.inputs) > 2 else ""
        numbers = [self.made.constant(as_float(self.graph.constants[weight]))]
        return [*numbers, self.made.constant(as_float(self.graph.constants[bias])) if bias else -1]

    # convolutions

    def _chain(self, chain: Chain) -> None:
        head = next(c for c in (chain.expand, chain.depthwise, chain.project) if c is not None)
        name = label(head.node)
        few = self.types[chain.source].shape[1] < _FEW_CHANNELS and chain.source not in self.maps
        if few and chain.project is head and not chain.added:
            attrs = window_attrs(head) | head.finish.attrs()
            self._step(
                "cells.stem",
                name,
                attrs,
                [self.as_plain(chain.source), *self._weights(head)],
                [self._new_map(chain.result)],
                chain.nodes,
            )
            return
        window = chain.depthwise or head
        attrs = window_attrs(window) | {"depthwise": int(chain.depthwise is not None)}
        for stage, prefix in ((chain.expand, "expand_"), (chain.depthwise, "spatial_"), (chain.project, "")):
            attrs |= stage.finish.attrs(prefix) if stage is not None else {}
        source = self.as_map(chain.source, 0 if chain.expand is not None else self._border(window, chain.source))
        added = self.as_map(chain.added) if chain.added else -1
        result = self._new_map(chain.result)
        if chain.added:
            self.equal_pads.append((added, result))
        weights = [n for c in (chain.expand, chain.depthwise, chain.project) for n in self._weights(c)]
        self._step("cells.chain", name, attrs, [source, added, *weights], [result], chain.nodes)

    def _border(self, conv: Convolution, source: str) -> int:
        """Give the border that a window needs around the map it reads."""
        if conv.is_plain_product:
            return 0
        sizes, outs = self.types[source].shape[2:], self.types[conv.node.outputs[0]].shape[2:]
        needs = [*conv.pads[:2]]
        for axis in (0, 1):
            reach = (conv.kernel[axis] - 1) * conv.attrs["dilations"][axis] + 1
            needs.append((outs[axis] - 1) * conv.attrs["strides"][axis] + reach - conv.pads[axis] - sizes[axis])
        return max(0, *needs)

    # single nodes

    def _node(self, node: Node) -> None:
        for attempt in (self._linear, self._mean, self._scale, self._add, self._function):
            if attempt(node):
                return
        attrs = attributes(node.op, node.attrs, [self.types[n].shape for n in node.inputs if n])
        inputs = [self.as_plain(n) if n else -1 for n in node.inputs]
        for name in node.outputs:
            self.plain[name] = self.made.tensor(self.types[name])
        self._step(node.op, label(node), _plain_values(attrs), inputs, [self.plain[n] for n in node.outputs], [node])

    def _is_vector(self, node: Node) -> bool:
        """Whether a convolution is a product of one vector with a matrix."""
        if node.op != "Conv" or self.types[node.inputs[0]].shape[2:] != (1, 1) or self._producer_is_chain(node):
            return False
        conv = self.fuser.convolution(node)
        return conv is not None and conv.is_plain_product

    def _producer_is_chain(self, node: Node) -> bool:
        producer = self.producers.get(node.inputs[0])
        while producer is not None and finish_of(producer, self.types) is not None:
            producer = self.producers.get(producer.inputs[0])
        return producer is not None and producer.op == "Conv" and not self._is_vector(producer)

    def _linear(self, node: Node) -> bool:
        weight = self._matrix(node)
        if weight is None:
            return False
        bias = (
            self.graph.constants[node.inputs[2]] if len(node.inputs) > 2 and node.inputs[2] else np.zeros(1, np.float32)
        )
        if bias.size not in (1, weight.shape[0]):
            return False
        finish, name, nodes = self._finished(node)
        constants = [
            self.made.constant(as_float(weight)),
            self.made.constant(as_float(np.broadcast_to(bias.ravel(), weight.shape[:1]))),
        ]
        source = self.as_plain(self._unshaped(node.inputs[0]))
        self.plain[name] = self.made.tensor(self.types[name])
        self._step("cells.linear", label(node), finish.attrs(), [source, *constants], [self.plain[name]], nodes)
        return True

    def _finished(self, node: Node) -> tuple[Finish, str, list[Node]]:
        """Take the function behind a node with it: the function, the name of its result, all nodes."""
        finish, name, nodes = self.fuser.finished(node.outputs[0])
        self.done.update(map(id, nodes))
        return finish, name, [node, *nodes]

    def _matrix(self, node: Node) -> Array | None:
        """Give the (out, in) weight of a vector times a constant matrix, or None."""
        constants, types = self.graph.constants, self.types
        if node.op == "Conv" and self._is_vector(node):
            weight = constants[node.inputs[1]]
            return weight.reshape(weight.shape[:2])
        if node.op not in ("Gemm", "MatMul") or node.inputs[1] not in constants:
            return None
        x, weight = types[node.inputs[0]], constants[node.inputs[1]]
        if x.dtype != "float32" or weight.ndim != 2 or x.elements != x.shape[-1] or 0 in weight.shape:
            return None
        if any(name not in constants for name in node.inputs[2:] if name):
            return None
        attrs = attributes(node.op, node.attrs, [types[n].shape for n in node.inputs if n])
        if node.op == "Gemm" and (attrs["alpha"], attrs["beta"], attrs["transA"]) != (1.0, 1.0, 0):
            return None
        return weight if attrs.get("transB") else weight.T

    def _unshaped(self, name: str) -> str:
        """Look through nodes that only change the shape of a vector."""
        node = self.producers.get(name)
        while node is not None and node.op in _RESHAPES:
            name = node.inputs[0]
            node = self.producers.get(name)
        return name

    def _mean(self, node: Node) -> bool:
        if node.op not in ("GlobalAveragePool", "ReduceMean") or node.inputs[0] not in self.maps:
            return False
        shapes = [self.types[n].shape for n in node.inputs if n]
        if node.op == "ReduceMean" and attributes(node.op, node.attrs, shapes)["axes"] != (2, 3):
            return False
        source, name = self.maps[node.inputs[0]], node.outputs[0]
        self.plain[name] = self.made.tensor(self.types[name])
        self._step("cells.mean", label(node), {}, [source], [self.plain[name]], [node])
        return True

    def _scale(self, node: Node) -> bool:
        """A map times one factor for each channel."""
        if node.op != "Mul" or len(node.inputs) != 2:
            return False
        for a, b in (node.inputs, node.inputs[::-1]):
            x = self.types[a].shape
            if (
                a in self.maps
                and self.types[b] == TensorType((1, x[1], 1, 1), "float32")
                and self.types[node.outputs[0]].shape == x
            ):
                inputs = [self.maps[a], self.as_plain(b)]
                finish, name, nodes = self._finished(node)
                self._step("cells.scale", label(node), finish.attrs(), inputs, [self._new_map(name)], nodes)
                return True
        return False

    def _add(self, node: Node) -> bool:
        if (
            node.op != "Add"
            or not all(n in self.maps for n in node.inputs)
            or self.types[node.inputs[0]] != self.types[node.inputs[1]]
        ):
            return False
        finish, name, nodes = self._finished(node)
        self._step(
            "cells.add", label(node), finish.attrs(), [self.maps[n] for n in node.inputs], [self._new_map(name)], nodes
        )
        return True

    def _function(self, node: Node) -> bool:
        finish = finish_of(node, self.types) if len(node.inputs) == 1 and node.inputs[0] in self.maps else None
        if finish is None:
            return False
        self._step(
            "cells.function",
            label(node),
            finish.attrs(),
            [self.maps[node.inputs[0]]],
            [self._new_map(node.outputs[0])],
            [node],
        )
        return True


def _plain_values(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Give attributes as numbers, words and lists; what is None is left out."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in attrs.items() if v is not None}


def _without_dead_steps(program: Program) -> Program:
    """Leave out steps that nobody reads from (shape changes that were looked through)."""
    wanted, kept = set(program.outputs), []
    for step in reversed(program.steps):
        if wanted.intersection(step.outputs):
            wanted.update(step.inputs)
            kept.append(step)
    return replace(program, steps=kept[::-1])
