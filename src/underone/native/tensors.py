"""Tensors of a program while it is made: plain, in cells, or channels of maps that are not copied yet."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..graph import Graph, Node, TensorType
from ..graph.ops import attributes, op_of
from .finish import Finish
from .fuse import Fuser
from .program import Program, Step
from .quantised import BYTES, Scale
from .readers import node_name


class Run(NamedTuple):
    """Channels ``[start, start + size)`` of a map."""

    source: str
    start: int
    size: int


class Tensors:
    """The program so far, and where each tensor of the graph is.

    Attributes:
        made: the program.
        plain: numbers of row-major tensors by name.
        maps: numbers of maps by name.
        runs: tensors that are channels of other maps, until somebody needs them side by side.
        done: ids of nodes that a step before theirs computes.
    """

    def __init__(self, graph: Graph, types: Mapping[str, TensorType], apart: Collection[str] = ()) -> None:
        self.graph, self.types = graph, types
        self.fuser = Fuser(graph, types, apart)
        self.producers = {name: node for node in graph.nodes for name in node.outputs}
        self.made = Program()
        self.plain: dict[str, int] = {}
        self.maps: dict[str, int] = {}
        self.runs: dict[str, tuple[Run, ...]] = {}
        self.done: set[int] = set()
        self._needed_pads: dict[int, int] = {}
        self._equal_pads: list[tuple[int, int]] = []

    def on_map(self, name: str) -> bool:
        """Whether a tensor lies in cells, or its channels do."""
        return name in self.maps or name in self.runs

    def as_plain(self, name: str) -> int:
        """Give the number of a plain tensor, stored from its map if need be."""
        if name not in self.plain:
            if name in self.graph.constants:
                self.plain[name] = self.made.constant(np.asarray(self.graph.constants[name], order="C"))
            else:
                source = self.as_map(name)
                self.plain[name] = self.made.tensor(self.types[name])
                if self.is_bytes(name):
                    self.step(
                        "cells.dequantize", name, {"quantum": Scale(1, 0).numbers()}, [source], [self.plain[name]]
                    )
                else:
                    self.step("cells.store", name, {}, [source], [self.plain[name]])
        return self.plain[name]

    def as_map(self, name: str, pad: int = 0) -> int:
        """Give the number of a map with at least this border, loaded or put together if need be."""
        if name not in self.maps:
            if name in self.runs:
                self._put_together(name)
            else:
                plain = self.as_plain(name)
                if self.is_bytes(name):
                    bytes_as_they_are = Scale(1, self._zero(name)).numbers()
                    self.step("cells.quantize", name, {"quantum": bytes_as_they_are}, [plain], [self.new_map(name)])
                else:
                    self.step("cells.load", name, {}, [plain], [self.new_map(name)])
        number = self.maps[name]
        self._needed_pads[number] = max(self._needed_pads.get(number, 0), pad)
        return number

    def new_map(self, name: str) -> int:
        """Add a map without a border and give its number."""
        kind = self.types[name]
        self.maps[name] = self.made.tensor(TensorType(kind.shape, "uint8") if self.is_bytes(name) else kind, 0)
        return self.maps[name]

    def is_bytes(self, name: str) -> bool:
        """Whether a tensor is quantised."""
        return self.types[name].dtype in BYTES

    def new_plain(self, name: str) -> int:
        """Add a plain tensor and give its number."""
        self.plain[name] = self.made.tensor(self.types[name])
        return self.plain[name]

    def channels(self, name: str) -> tuple[Run, ...]:
        """Give the channels of a tensor as runs of maps."""
        return self.runs.get(name) or (Run(name, 0, self.types[name].shape[1]),)

    def _put_together(self, name: str) -> None:
        runs = self.runs[name]
        if len(runs) == 1 and runs[0].size == self.types[runs[0].source].shape[1]:
            self.maps[name] = self.as_map(runs[0].source)
            return
        sources = list(dict.fromkeys(run.source for run in runs))
        inputs = [self.as_map(source) for source in sources]
        listed = [n for run in runs for n in (sources.index(run.source), run.start, run.size)]
        result = self.new_map(name)
        for number in inputs:  # equal borders: then the maps may be written where they are needed
            self.same_border(number, result)
        self.step("cells.concat", name, {"runs": listed} | self.border(name), inputs, [result])

    # borders

    def border(self, name: str) -> dict[str, int]:
        """Give the attribute that says what a map's border holds: of bytes the zero."""
        return {"border": self._zero(name)} if self.is_bytes(name) else {}

    def _zero(self, name: str) -> int:
        return self.fuser.zeros.get(name) or 0  # where operands differ no window reads the border

    def same_border(self, a: int, b: int) -> None:
        """Require that two maps get the same border."""
        self._equal_pads.append((a, b))

    def settle_borders(self) -> None:
        """Give every map the border that its readers need."""
        changed = True
        while changed:
            changed = False
            for a, b in self._equal_pads:
                pads = self._needed_pads.get(a, 0), self._needed_pads.get(b, 0)
                if pads[0] != pads[1]:
                    self._needed_pads[a] = self._needed_pads[b] = max(pads)
                    changed = True
        for number, pad in self._needed_pads.items():
            self.made.pads[number] = pad

    # steps

    def step(
        self, op: str, name: str, attrs: Mapping[str, Any], inputs: Sequence[int], outputs: Sequence[int],
        nodes: Sequence[Node] = (),
    ) -> None:  # fmt: skip
        """Add a step."""
        names = tuple(map(node_name, nodes))
        macs = sum(self._macs(node) for node in nodes)
        moved = sum(bytes_of(self.made.types[i]) for i in (*inputs, *outputs) if i >= 0)
        self.made.steps.append(Step(op, name, attrs, tuple(inputs), tuple(outputs), names, macs, moved))

    def finished(self, node: Node) -> tuple[Finish, str, list[Node]]:
        """Take the function behind a node with it: the function, the name of its result, all nodes."""
        finish, name, nodes = self.fuser.finished(node.outputs[0])
        self.done.update(map(id, nodes))
        return finish, name, [node, *nodes]

    def attributes(self, node: Node) -> dict[str, Any]:
        """Give the attributes of a node, complete."""
        return attributes(node.op, node.attrs, [self.types[n].shape for n in node.inputs if n])

    def _macs(self, node: Node) -> int:
        shapes = [self.types[n].shape for n in node.inputs if n]
        return op_of(node).macs(shapes, self.types[node.outputs[0]].shape, attributes(node.op, node.attrs, shapes))


def bytes_of(kind: TensorType) -> int:
    """Give the size of a tensor."""
    return kind.elements * np.dtype(kind.dtype).itemsize
