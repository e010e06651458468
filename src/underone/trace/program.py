"""A torch module → the operations that it runs → Graph."""

import copy
import logging
import operator
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import torch
from torch import fx, nn
from torch.export import Dim, ExportedProgram
from torch.utils import _pytree as pytree

from ..errors import BadValue, Unsupported
from ..graph.graph import Graph, Node, Value
from ..graph.onnx_file import with_borders
from ..graph.passes import fold_pad_into_conv
from ..spec import ModelSpec, Shape
from .emit import Emitter, Ref
from .known_spec import spec_of
from .table import TABLE, VIEWS, key_of

# What is traced where a size is open: batch (torch.export takes 0 and 1 as fixed), channels, height, width. A network
# whose operations differ between the two examples does not take any size.
EXAMPLE, FURTHER_EXAMPLE = (2, 2, 224, 256), (2, 2, 193, 161)
DEFAULT_SHAPE: Shape = (None, 3, 224, 224)


def trace(model: nn.Module, spec: ModelSpec | None = None, input_shape: Shape | None = None) -> Graph:
    """Write down what a torch network computes at inference.

    Args:
        model: float32, one input tensor; an eval-mode copy is traced, the given one is left as it is.
        spec: what the network is; default: `spec_of(model)`.
        input_shape: (N, C, H, W), None for any batch, height or width; default: the spec's, else (None, 3, 224, 224).

    Returns:
        A Graph whose constants have the names of the model's parameters and buffers. A single output is named
        ``logits``, the members of a dict by their keys, those of a sequence ``output0`` …; names in `spec.outputs`
        come first. Input and output shapes are written into its spec.

    Raises:
        Unsupported: operations that no row of the table translates, all listed; or torch.export gives up; or the
            network cannot leave open a size that `input_shape` leaves open.
        BadValue: parameters are not float32.
    """
    spec = spec or spec_of(model)
    shape = input_shape or (spec.inputs[0].shape if spec.inputs else None) or DEFAULT_SHAPE
    graph = _traced(model, spec, shape, EXAMPLE)
    if None in shape[1:]:
        _require_same(graph, _traced(model, spec, shape, FURTHER_EXAMPLE))
    return graph


def _traced(model: nn.Module, spec: ModelSpec, shape: Shape, example: tuple[int, ...]) -> Graph:
    program = _exported(model, shape, example)
    known = _known_values(program)
    _refuse_unknown(program.graph, known)
    _refuse_hidden_writes(program.graph)
    emitter = Emitter()
    wanted = _output_names(program, spec)
    border = [spec.inputs[0].name if spec.inputs else "image", *wanted]
    for name in border:
        emitter.reserve(name)
    image = Ref(border[0], shape)
    refs = known | {_input_node(program): image}
    for node in program.graph.nodes:
        if node.op == "call_function" and node not in refs and _tensors(node):
            emitter.node = node
            refs[node] = _translate(emitter, node, refs)
    return _graph(emitter, image, [refs[node] for node in _output_nodes(program)], wanted, spec)


def _require_same(graph: Graph, other: Graph) -> None:
    for a, b in zip_longest(graph.nodes, other.nodes):
        if a != b:
            raise Unsupported(
                f"{graph.spec.name} does not take pictures of any size: {(a or b).name} is another operation for "
                "another size; give a height and a width"
            )


def _exported(model: nn.Module, shape: Shape, example: tuple[int, ...]) -> ExportedProgram:
    """Let torch record the operations, on a copy of the model in eval mode."""
    model = copy.deepcopy(model).eval()
    wrong = {str(p.dtype) for p in model.parameters() if p.dtype != torch.float32}
    if wrong:
        raise BadValue(f"the model has {', '.join(sorted(wrong))} parameters; float32 is required: call model.float()")
    image = torch.zeros([example[axis] if size is None else size for axis, size in enumerate(shape)])
    # an open height may have to be above 1, or more, which Dim.DYNAMIC finds out by itself
    dynamic = {axis: Dim.DYNAMIC if axis else Dim("batch") for axis, size in enumerate(shape) if size is None}
    try:
        with _silence(), warnings.catch_warnings():
            # models that cache a table on first use; the cache is a constant to us
            warnings.filterwarnings("ignore", "The tensor attribute", UserWarning)
            program = torch.export.export(model, (image,), dynamic_shapes=(dynamic,), strict=False)
    except Exception as error:  # torch raises errors of many kinds here, some of them internal
        reason = str(error).strip().splitlines()[0]
        raise Unsupported(f"torch.export cannot follow {type(model).__name__} on input {shape}: {reason}") from error
    _inline_autocast(program)
    program.graph.eliminate_dead_code()
    return program


@contextmanager
def _silence() -> Iterator[None]:
    """Keep away what torch logs about a network that it cannot follow; its exception says that too."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


_TALKATIVE = ("torch._subclasses.fake_tensor", "torch.fx.experimental.symbolic_shapes")


def _inline_autocast(program: ExportedProgram) -> None:
    """Put the operations of a block that switches mixed precision off in the place of the block."""
    graph = program.graph
    for node in list(graph.nodes):
        if str(node.target) != "wrap_with_autocast" or node.args[2]:  # (device, dtype, enabled, cache, body, *operands)
            continue
        body = getattr(program.graph_module, node.args[4].target).graph
        places = [inner for inner in body.nodes if inner.op == "placeholder"]
        with graph.inserting_before(node):
            results = graph.graph_copy(body, dict(zip(places, node.args[5:], strict=True)))
        for user in list(node.users):  # each takes one of the block's results
            user.replace_all_uses_with(results[user.args[1]])
            graph.erase_node(user)
        graph.erase_node(node)


def _known_values(program: ExportedProgram) -> dict[fx.Node, Any]:
    """Give every parameter and buffer, and compute everything that follows from them alone."""
    signature, known = program.graph_signature, dict[fx.Node, Any]()
    targets = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    targets |= signature.inputs_to_lifted_tensor_constants
    tensors = {**program.constants, **program.state_dict}
    for node in program.graph.nodes:
        if node.name in targets:
            value = tensors[targets[node.name]].detach()
            known[node] = Ref(targets[node.name], tuple(value.shape), value)
        elif _can_be_computed(node, known):
            known[node] = _computed(node, known)
    return known


def _can_be_computed(node: fx.Node, known: Mapping[fx.Node, Any]) -> bool:
    sizes = [size for tensor in _tensors(node) for size in tensor.shape]
    return (
        node.op == "call_function"
        and bool(_tensors(node))
        and all(isinstance(size, int) for size in sizes)
        and all(operand in known for operand in node.all_input_nodes)
    )


def _computed(node: fx.Node, known: Mapping[fx.Node, Any]) -> Any:
    assert callable(node.target)
    values = pytree.tree_map(_value, {operand: known[operand] for operand in node.all_input_nodes})
    args, kwargs = _with(node, values.get)
    result = node.target(*args, **kwargs)
    return pytree.tree_map(lambda value: Ref(node.name, tuple(value.shape), value), result)


def _value(ref: Ref) -> torch.Tensor:
    assert ref.value is not None
    return ref.value.clone()  # an in-place operation must not reach the weights


def _tensors(node: fx.Node) -> list[torch.Tensor]:
    """List the tensors that an operation gives: none for arithmetic on sizes."""
    return [value for value in pytree.tree_leaves(node.meta.get("val")) if isinstance(value, torch.Tensor)]


def _refuse_unknown(graph: fx.Graph, known: Mapping[fx.Node, Any]) -> None:
    unknown = Counter(
        str(node.target)
        for node in graph.nodes
        if node.op == "call_function" and node not in known and _tensors(node)
        if node.target is not operator.getitem and key_of(node.target) not in TABLE
    )
    if unknown:
        listed = ", ".join(f"{name} ({count}x)" for name, count in sorted(unknown.items()))
        raise Unsupported(f"operations that are not implemented: {listed}; rewrite the model without them")


def _refuse_hidden_writes(graph: fx.Graph) -> None:
    """Refuse an in-place operation that changes another tensor which is read later: the Graph has no memory."""
    order = {node: place for place, node in enumerate(graph.nodes)}
    owner: dict[fx.Node, fx.Node] = {}
    shared: dict[fx.Node, list[fx.Node]] = {}
    for node in graph.nodes:
        first = node.args[0] if node.args and isinstance(node.args[0], fx.Node) else node
        views = str(node.target) in VIEWS or node.target is operator.getitem
        owner[node] = owner[first] if views or _in_place(node) else node
        shared.setdefault(owner[node], []).append(node)
        if _in_place(node):
            _refuse_late_reader(node, first, shared[owner[node]], order)


def _refuse_late_reader(node: fx.Node, changed: fx.Node, sharing: list[fx.Node], order: Mapping[fx.Node, int]) -> None:
    for other in sharing:
        if other not in (node, changed) and any(order[user] > order[node] for user in other.users):
            raise Unsupported(
                f"{node.name} changes {other.name} in place, which is read later; use the plain operation"
            )


def _in_place(node: fx.Node) -> bool:
    return node.op == "call_function" and key_of(node.target) != str(node.target)


def _translate(emitter: Emitter, node: fx.Node, refs: Mapping[fx.Node, Any]) -> Any:
    # sizes that depend on the batch have no Ref; the traced shapes tell what they lead to
    args, kwargs = _with(node, refs.get)
    if node.target is operator.getitem:
        return args[0][args[1]]
    return TABLE[key_of(node.target)](emitter, *args, **kwargs)


def _with(node: fx.Node, value_of: Callable[[fx.Node], Any]) -> Any:
    """Give the arguments of an operation, with values in the place of nodes."""
    return fx.map_arg((node.args, dict(node.kwargs)), value_of)


def _by_name(program: ExportedProgram) -> dict[str, fx.Node]:
    return {node.name: node for node in program.graph.nodes}


def _input_node(program: ExportedProgram) -> fx.Node:
    [name] = program.graph_signature.user_inputs
    return _by_name(program)[str(name)]


def _output_nodes(program: ExportedProgram) -> list[fx.Node]:
    by_name = _by_name(program)
    return [by_name[str(name)] for name in program.graph_signature.user_outputs]


def _output_names(program: ExportedProgram, spec: ModelSpec) -> list[str]:
    count = len(program.graph_signature.user_outputs)
    result = pytree.tree_unflatten(range(count), program.call_spec.out_spec)
    if isinstance(result, dict) and list(result.values()) == list(range(count)):
        return [str(key) for key in result]
    if len(spec.outputs) == count:
        return [output.name for output in spec.outputs]
    return ["logits"] if count == 1 else [f"output{i}" for i in range(count)]


def _graph(emitter: Emitter, image: Ref, results: list[Ref], names: list[str], spec: ModelSpec) -> Graph:
    """Name the outputs, and put border and spec around the nodes."""
    renamed: dict[str, str] = {}
    for ref, name in zip(results, names, strict=True):
        written = any(ref.name in node.outputs for node in emitter.nodes)
        if written and ref.name not in renamed:
            renamed[ref.name] = name
        else:  # the input, a weight, or a tensor that is given twice
            emitter.nodes.append(Node("Identity", (emitter.operand(ref),), (name,), {}, name))
    nodes = tuple(
        replace(
            node,
            inputs=tuple(renamed.get(name, name) for name in node.inputs),
            outputs=tuple(renamed.get(name, name) for name in node.outputs),
        )
        for node in emitter.nodes
    )
    inputs = (Value(image.name, image.shape),)
    outputs = tuple(Value(name, ref.shape) for name, ref in zip(names, results, strict=True))
    graph = Graph(nodes, inputs, outputs, emitter.constants, with_borders(spec, inputs, outputs))
    return fold_pad_into_conv(graph)  # padding by run-time size is known here: the size is
