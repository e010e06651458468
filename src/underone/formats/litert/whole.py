"""What LiteRT computes in whole numbers: operators whose operands were rounded, and whose result is rounded at once.

A quantised graph says so by QuantizeLinear and DequantizeLinear. LiteRT's tensors are int8, so uint8 is moved by 128.
Whatever has no such form is computed in float32 between DEQUANTIZE and QUANTIZE, which is what the graph says.
"""

from collections.abc import Callable, Container, Mapping

import numpy as np

from ...errors import Unsupported
from ...graph import Array, Graph, Node
from ...graph.ops import attributes
from .model import Model, Packed, Scale

_MIDDLE = 128  # of uint8
_PRODUCTS = frozenset(("Conv", "Gemm"))
_SCALED = _PRODUCTS | {"Add", "Sub", "Mul", "GlobalAveragePool", "Concat", "HardSwish"}  # results of any scale
_KEEPING = frozenset(("MaxPool", "AveragePool", "Resize", "Clip", "Relu"))  # results in the scale of their operand
_MOVING = frozenset(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice"))  # rounded or not


def landings(graph: Graph, alone: Container[str]) -> dict[str, Scale]:
    """Name the tensors that nobody reads before they are rounded, with the scale that they are rounded to.

    Args:
        graph: quantised or not.
        alone: names of tensors that are read once.
    """
    found = {
        node.inputs[0]: activation_scale(node, graph.constants) for node in graph.nodes if node.op == "QuantizeLinear"
    }
    landed = {name: scale for name, scale in found.items() if name in alone}
    for node in reversed(graph.nodes):
        if node.op in ("Clip", "Relu") and node.outputs[0] in landed and node.inputs[0] in alone:
            landed[node.inputs[0]] = landed[node.outputs[0]]
    return landed


def result_scale(model: Model, node: Node, landed: Mapping[str, Scale]) -> Scale | None:
    """Give the scale of a node's result where it is computed in whole numbers; None: it is not."""
    operands = [model.stored[n].scale for n in node.inputs if n in model.stored]
    fixed = [n for n in node.inputs if n not in model.stored]
    scale = landed.get(node.outputs[0])
    if not operands or None in operands or not (node.op in _PRODUCTS or not fixed):
        return None
    if node.op in _MOVING:
        return operands[0]
    if node.op in _KEEPING:
        return scale if scale == operands[0] else None
    return scale if node.op in _SCALED and all(_is_plain(model.packed.get(n)) for n in fixed[:1]) else None


def _is_plain(weight: Packed | None) -> bool:
    """Whether a weight is what the kernels take: int8 around 0."""
    return weight is not None and weight.whole.dtype == np.int8 and weight.scale.zero == 0


def round_to_scale(model: Model, node: Node) -> None:
    """Add a QuantizeLinear; nothing is added where its operand is rounded to that scale."""
    at = model.rounded(node.inputs[0], activation_scale(node, model.constants))
    model.stored[node.outputs[0]] = at


def unpack(model: Model, node: Node) -> None:
    """Note a DequantizeLinear; who reads its result says in which form it is wanted."""
    source = node.inputs[0]
    if source not in model.constants:
        at = model.stored[source]
        scale = activation_scale(node, model.constants)
        if at.scale != scale:
            raise Unsupported(f"node {node.name!r}: {source!r} is rounded to {at.scale}, and read with {scale}")
        model.stored[node.outputs[0]] = at
        return
    whole = model.constants[source]
    axis = attributes("DequantizeLinear", node.attrs, [whole.shape])["axis"] % max(whole.ndim, 1)
    steps, zeros = numbers_of(node, model.constants)
    if np.any(zeros != zeros.flat[0]):
        raise Unsupported(f"node {node.name!r}: a weight with several zero points cannot be written for LiteRT")
    model.packed[node.outputs[0]] = Packed(whole, Scale(steps, int(zeros.flat[0]), axis))


def activation_scale(node: Node, constants: Mapping[str, Array]) -> Scale:
    """Read the scale of a QuantizeLinear or DequantizeLinear of a tensor that is computed.

    Raises:
        Unsupported: it is computed, or has several steps, or other numbers than 8 bits.
    """
    if any(n not in constants for n in node.inputs[1:]):
        raise Unsupported(f"node {node.name!r} ({node.op}): a scale that is computed cannot be written for LiteRT")
    steps, zeros = numbers_of(node, constants)
    if len(steps) != 1 or zeros.dtype not in (np.uint8, np.int8):
        raise Unsupported(
            f"node {node.name!r} ({node.op}): {len(steps)} steps and {zeros.dtype} cannot be written for LiteRT; it "
            "takes one step for each tensor, and 8 bits"
        )
    return Scale(steps, int(zeros.flat[0]) - (_MIDDLE if zeros.dtype == np.uint8 else 0))


def numbers_of(node: Node, constants: Mapping[str, Array]) -> tuple[tuple[float, ...], Array]:
    """Give the steps and the zero points of a QuantizeLinear or DequantizeLinear."""
    steps, *zero = (constants[n] for n in node.inputs[1:])
    return tuple(steps.ravel().tolist()), zero[0] if zero else np.zeros(1, np.uint8)


ROUNDING: Mapping[str, Callable[[Model, Node], None]] = {"QuantizeLinear": round_to_scale, "DequantizeLinear": unpack}
