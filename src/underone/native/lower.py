"""Graph → Program: folding, fusion, and what lies in cells and what lies plain."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import UnknownName
from ..graph import Graph, Node, TensorType, infer_shapes
from ..graph.passes import drop_identities, drop_unused, fold_batch_norm, fold_pad_into_conv
from ..graph.shapes import label
from .byte_steps import dequantize, quantize, reshape, sum_attrs
from .channel_runs import concat, shuffle, slices, split
from .composites import join_gelu
from .concats import part_concats
from .finish import FINISHES
from .fuse import FEW_CHANNELS, Chain, Convolution, as_float, window_attrs
from .join import join_stems
from .map_steps import add, constant_pair, function, labels, mean, norm, pool, resize, scale
from .matrix_steps import is_vector, linear, matmul
from .multiplier import repeat_channels
from .pixel_rows import byte_rows, pixel_rows
from .pooled import pooled_as_bias
from .program import Program
from .quantised import scale_of
from .quantised_form import RESHAPES, quantised_form
from .readers import node_name
from .tensors import Tensors

# how nodes run on maps, or as products with constants; what no function takes runs on plain tensors
_ATTEMPTS: Mapping[str, Sequence[Callable[[Tensors, Node], bool]]] = {
    "Conv": (linear,),
    "Gemm": (linear, matmul),
    "MatMul": (linear, matmul),
    "GlobalAveragePool": (mean,),
    "ReduceMean": (mean,),
    "Mul": (scale, constant_pair),
    "Add": (add, constant_pair),
    "Sub": (constant_pair,),
    "Div": (constant_pair,),
    "BatchNormalization": (norm,),
    "MaxPool": (pool,),
    "AveragePool": (pool,),
    "Resize": (resize,),
    "Concat": (pixel_rows, byte_rows, concat),
    "ArgMax": (labels,),
    "Split": (split,),
    "Slice": (slices,),
    "Reshape": (shuffle,),
    **dict.fromkeys(FINISHES, (function,)),
}


# the same of nodes that read or make quantised maps
_ON_BYTES: Mapping[str, Sequence[Callable[[Tensors, Node], bool]]] = {
    "QuantizeLinear": (quantize,),
    "DequantizeLinear": (dequantize,),
    "Concat": (concat,),
    "Resize": (resize,),
    **dict.fromkeys(RESHAPES, (reshape,)),
}


def lower(graph: Graph, sizes: Mapping[str, Sequence[int]], apart: Collection[str] = ()) -> Program:
    """Turn a graph into the steps of a plan.

    Args:
        graph: any graph; float16 tensors become float32.
        sizes: full shape of every input.
        apart: names of nodes that run by themselves on plain tensors, which are float32 in every precision.

    Returns:
        The program. Maps lie in cells from the first convolution to the last operator that works on them.

    Raises:
        ShapeError, BadValue, UnknownName: as `infer_shapes`; or a name in `apart` is no node's.
    """
    plain = quantised_form(drop_identities(drop_unused(widen_float16(graph))))
    folded = fold_batch_norm(part_concats(join_gelu(fold_pad_into_conv(plain)), apart))
    simple = repeat_channels(folded, apart)
    known = {node_name(node) for node in simple.nodes}
    for name in apart:
        if name not in known:
            raise UnknownName("layer", name, known)
    types = infer_shapes(simple, sizes=sizes)
    split = pooled_as_bias(simple, types, apart)
    return _Lowering(split, types if split is simple else infer_shapes(split, sizes=sizes), apart).program()


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
    def __init__(self, graph: Graph, types: Mapping[str, TensorType], apart: Collection[str]) -> None:
        self.tensors = Tensors(graph, types, apart)

    def program(self) -> Program:
        t = self.tensors
        t.made.inputs = [t.new_plain(v.name) for v in t.graph.inputs]
        for work in self._schedule():
            if isinstance(work, Chain):
                self._chain(work)
            elif id(work) not in t.done:
                self._node(work)
        t.made.outputs = [t.as_plain(v.name) for v in t.graph.outputs]
        t.settle_borders()
        return join_stems(_without_dead_steps(t.made))

    def _schedule(self) -> list[Node | Chain]:
        """Put every chain where its last node stands."""
        t = self.tensors
        ready = {name: i for i, node in enumerate(t.graph.nodes) for name in node.outputs}
        taken: set[int] = set()
        at: dict[int, Chain] = {}
        for node in t.graph.nodes:
            chain = None if id(node) in taken or is_vector(t, node) else t.fuser.chain(node, ready, taken)
            if chain is not None and not taken.intersection(map(id, chain.nodes)):
                taken.update(map(id, chain.nodes))
                at[id(chain.nodes[-1])] = chain
        return [at.get(id(n), n) for n in t.graph.nodes if id(n) not in taken or id(n) in at]

    # convolutions

    def _chain(self, chain: Chain) -> None:
        head = next(c for c in (chain.expand, chain.depthwise, chain.project) if c is not None)
        few = self.tensors.types[chain.source].shape[1] < FEW_CHANNELS and not self.tensors.on_map(chain.source)
        alone = head.groups == 1 and few and chain.project is head and not chain.added
        if alone and (head.whole is None or self._is_quantised_image(chain, head)):
            return self._stem(chain, head)
        window = chain.depthwise or head
        border = 0 if chain.expand is not None else self._border(window, chain.source)
        inputs = [self.tensors.as_map(chain.source, border), self.tensors.as_map(chain.added) if chain.added else -1]
        result = self.tensors.new_map(chain.result)
        if chain.added:
            self.tensors.same_border(inputs[1], result)
        attrs = window_attrs(window)
        if chain.project is head and not head.is_plain_product and head.whole is None:
            attrs |= head.finish.attrs() | {"group": head.groups}
            self.tensors.step(
                "cells.dense", label(head.node), attrs, [*inputs, *self._weights(head)], [result], chain.nodes
            )
            return None
        attrs["depthwise"] = int(chain.depthwise is not None)
        stages = ((chain.expand, "expand_"), (chain.depthwise, "spatial_"), (chain.project, ""))
        for stage, prefix in stages:
            attrs |= _stage_attrs(stage, prefix) if stage is not None else {}
        if chain.sum is not None:
            attrs |= sum_attrs(chain.sum) | {"border": chain.sum.total.zero}
        inputs += [n for stage, _ in stages for n in self._weights(stage)]
        self.tensors.step("cells.chain", label(head.node), attrs, inputs, [result], chain.nodes)
        return None

    def _stem(self, chain: Chain, conv: Convolution) -> None:
        """Write a convolution of an image of few channels as it comes."""
        t = self.tensors
        attrs, op, source = window_attrs(conv) | _stage_attrs(conv), "cells.stem", chain.source
        if conv.whole is not None:
            rounding = t.producers[source]
            scale = scale_of(t.graph.constants, rounding.inputs)
            assert scale is not None, "`_is_quantised_image` has looked"
            op, source = "cells.bytes_stem", rounding.inputs[0]
            attrs |= {"image": scale.numbers()}
        inputs = [t.as_plain(source), *self._weights(conv)]
        t.step(op, label(conv.node), attrs, inputs, [t.new_map(chain.result)], chain.nodes)

    def _is_quantised_image(self, chain: Chain, conv: Convolution) -> bool:
        """Whether a stem can quantise the image as it reads it: a 3x3 window of stride 2 on three channels."""
        t = self.tensors
        maker = t.producers.get(chain.source)
        plain = maker is not None and maker.op == "QuantizeLinear" and not t.on_map(maker.inputs[0])
        if maker is None or not plain or scale_of(t.graph.constants, maker.inputs) is None:
            return False
        window = (conv.kernel, conv.attrs["strides"], conv.attrs["dilations"], t.types[chain.source].shape[1])
        return (
            t.types[maker.inputs[0]].dtype == "float32"
            and window == ((3, 3), (2, 2), (1, 1), 3)
            and max(conv.pads[:2]) < 3
        )

    def _weights(self, conv: Convolution | None) -> list[int]:
        if conv is None:
            return [-1, -1]
        constants, made = self.tensors.graph.constants, self.tensors.made
        if conv.whole is not None:
            (top, bottom), (left, right) = conv.taps
            part = np.ascontiguousarray(conv.whole.weight[:, :, top:bottom, left:right])
            return [made.constant(part), made.constant(conv.whole.bias_for(part))]
        weight, bias = conv.node.inputs[1], conv.node.inputs[2] if len(conv.node.inputs) > 2 else ""
        (top, bottom), (left, right) = conv.taps
        numbers = [made.constant(as_float(constants[weight][:, :, top:bottom, left:right]))]
        if conv.computed_bias:
            return [*numbers, self.tensors.as_plain(bias)]
        return [*numbers, made.constant(as_float(constants[bias])) if bias else -1]

    def _border(self, conv: Convolution, source: str) -> int:
        """Give the border that a window needs around the map it reads."""
        if conv.is_plain_product:
            return 0
        types = self.tensors.types
        sizes, outs = types[source].shape[2:], types[conv.node.outputs[0]].shape[2:]
        needs = [*conv.pads[:2]]
        for axis in (0, 1):
            reach = (conv.kernel[axis] - 1) * conv.attrs["dilations"][axis] + 1
            needs.append((outs[axis] - 1) * conv.attrs["strides"][axis] + reach - conv.pads[axis] - sizes[axis])
        return max(0, *needs)

    # single nodes

    def _node(self, node: Node) -> None:
        t = self.tensors
        on_bytes = node.op == "QuantizeLinear" or any(t.on_map(n) and t.is_bytes(n) for n in node.inputs if n)
        attempts = (_ON_BYTES if on_bytes else _ATTEMPTS).get(node.op, ())
        if not t.fuser.is_apart(node) and any(attempt(t, node) for attempt in attempts):
            return
        inputs = [t.as_plain(n) if n else -1 for n in node.inputs]
        outputs = [t.new_plain(name) for name in node.outputs]
        t.step(node.op, label(node), _plain_values(t.attributes(node)), inputs, outputs, [node])


def _stage_attrs(conv: Convolution, prefix: str = "") -> dict[str, Any]:
    """Give the attributes of one stage: how it ends."""
    attrs = conv.finish.attrs(prefix)
    if conv.whole is not None:
        factors, zero = conv.whole.factors.tolist(), conv.whole.y_zero
        attrs |= {prefix + "factors": factors, prefix + "zero": zero, prefix + "border": zero}
    return attrs


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
