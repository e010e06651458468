"""Pass: the preparation of a picture moves into the network, which then takes the picture's bytes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..graph import Array, Graph, Node
from ..graph.graph import unused_name
from ..spec import InputSpec, Preparation


def take_bytes(graph: Graph) -> Graph:
    """Let a network take bytes, 0 to 255 as float32, and bring them to its range, mean and standard deviation itself.

    Returns:
        A new graph, whose spec says so; inputs whose preparation is unknown, or is that already, stay as they are.
    """
    described = {i.name: i for i in graph.spec.inputs}
    before, constants, renamed = list[Node](), dict(graph.constants), dict[str, str]()
    taken = graph.names()
    for value in graph.inputs:
        how = described[value.name].preparation if value.name in described else None
        if how is None or value.dtype != "float32":
            continue
        for op, column in _steps(how, described[value.name]):
            source = renamed.get(value.name, value.name)
            made, number = (unused_name(f"{value.name}/{part}", taken) for part in (op, f"{op}/value"))
            taken |= {made, number}
            constants[number] = column
            before.append(Node(op, (source, number), (made,), {}, made))
            renamed[value.name] = made
    nodes = (replace(n, inputs=tuple(renamed.get(i, i) for i in n.inputs)) for n in graph.nodes)
    spec = graph.spec.model_copy(update={"inputs": tuple(map(taking_bytes, graph.spec.inputs))})
    return replace(graph, nodes=(*before, *nodes), constants=constants, spec=spec)


def taking_bytes(spec: InputSpec) -> InputSpec:
    """Describe the same input when it takes bytes; unchanged where nothing says how pictures are prepared."""
    if spec.preparation is None:
        return spec
    return spec.model_copy(update={"preparation": _as_bytes(spec.preparation)})


def _as_bytes(how: Preparation) -> Preparation:
    neutral = {"range": (0.0, 255.0), "mean": (0.0,) * len(how.mean), "std": (1.0,) * len(how.std)}
    return how.model_copy(update=neutral)


def _steps(how: Preparation, spec: InputSpec) -> Sequence[tuple[str, Array]]:
    """Give the factor and then the summand for each channel; neutral ones are left out."""
    low, high = how.range
    mean, std = np.array(how.mean, np.float64), np.array(how.std, np.float64)
    column = (1, -1, 1, 1) if spec.layout == "NCHW" else (1, 1, 1, -1)
    factor, summand = (high - low) / 255 / std, (low - mean) / std
    steps = [("Mul", factor)] if (factor != 1).any() else []
    steps += [("Add", summand)] if summand.any() else []
    return [(op, values.reshape(column).astype(np.float32)) for op, values in steps]
