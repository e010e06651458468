"""What keeps a program, or parts of it, from Apple's Neural Engine: a table of what is known, with where from.

Core ML decides on the device, and says nothing about it here; these are reasons to look at Xcode's performance report.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...graph import Graph
from ..explain import listed
from .whole import is_table

_TYPED = "coremltools' guide, Typed Execution"
_LAYERS = "github.com/hollance/neural-engine, unsupported-layers.md, which calls it incomplete"
_RANGE = "an engineer of Apple, developer.apple.com/forums/thread/724930"


class _Rule(NamedTuple):
    """One row: what it finds in a graph and a dtype, what that means, and who says so."""

    finds: Callable[[Graph, str], Sequence[str]]
    says: str
    source: str


def _dilated(graph: Graph, _: str) -> list[str]:
    return [n.name for n in graph.nodes if n.op == "Conv" and set(n.attrs.get("dilations", ())) - {1}]


def _gathering(graph: Graph, _: str) -> list[str]:
    return [n.name for n in graph.nodes if n.op == "Gather" and not is_table(n, graph.constants)]


def _open_inputs(graph: Graph, _: str) -> list[str]:
    return [v.name for v in graph.inputs if None in v.shape[1:]]


def _in_float32(graph: Graph, dtype: str) -> list[str]:
    return [graph.spec.name] if dtype == "float32" else []


_RULES = (
    _Rule(_in_float32, "computes in float32; the Neural Engine takes float16: write dtype float16", _TYPED),
    _Rule(_dilated, "dilated convolutions are known to run on the CPU or the GPU", _LAYERS),
    _Rule(_gathering, "gather is known to run on the CPU or the GPU", _LAYERS),
    _Rule(_open_inputs, "of a range of sizes the Neural Engine takes the default one only", _RANGE),
)


def off_the_neural_engine(graph: Graph, dtype: str) -> list[str]:
    """Say what of a network is known not to run on the Neural Engine, a sentence for each rule that finds something."""
    found = ((rule.finds(graph, dtype), rule) for rule in _RULES)
    return [f"Neural Engine: {listed(names)}: {rule.says} ({rule.source})" for names, rule in found if names]
