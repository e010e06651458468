"""What happens to a result before it is stored: a function of one element that a kernel ends with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..graph import Node, TensorType
from ..graph.ops import attributes
from .quantised import BYTES

INF = float("inf")
Types = Mapping[str, TensorType]

# functions that the engine's kernels end with; bounds have an entry of their own
_FUNCTIONS = {"HardSwish": "hardswish", "Sigmoid": "sigmoid", "HardSigmoid": "hardsigmoid", "Tanh": "tanh"}
FINISHES = ("Relu", "Clip", "Gelu", *_FUNCTIONS)  # what `finish_of` knows


@dataclass(frozen=True)
class Finish:
    """What happens to a result before it is stored."""

    low: float = -INF
    high: float = INF
    function: str = ""
    slope: tuple[float, float] = (1 / 6, 0.5)

    def attrs(self, prefix: str = "") -> dict[str, Any]:
        """Give the attributes of a step."""
        found: dict[str, Any] = {prefix + "limits": [self.low, self.high]}
        if self.function:
            found |= {prefix + "function": self.function, prefix + "slope": list(self.slope)}
        return found


def finish_of(node: Node, types: Types) -> Finish | None:
    """Give the function of one element that a node is, or None."""
    dtype = types[node.inputs[0]].dtype
    if dtype in BYTES and node.op == "Clip":
        shift = 128 if dtype == "int8" else 0
        return Finish(node.attrs.get("min", -INF) + shift, node.attrs.get("max", INF) + shift)
    if dtype != "float32":
        return None
    attrs = attributes(node.op, node.attrs, [types[n].shape for n in node.inputs if n])
    if node.op == "Relu":
        return Finish(low=0.0)
    if node.op == "Clip" and attrs["min"] <= attrs["max"]:
        return Finish(attrs["min"], attrs["max"])
    if node.op == "HardSigmoid":
        return Finish(function="hardsigmoid", slope=(attrs["alpha"], attrs["beta"]))
    if node.op == "Gelu" and attrs["approximate"] == "none":
        return Finish(function="gelu")
    return Finish(function=_FUNCTIONS[node.op]) if node.op in _FUNCTIONS else None
