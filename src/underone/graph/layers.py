"""Layers by name: what lies inside a network, as outputs of a network that ends there."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..errors import BadValue, UnknownName
from ..spec import OutputSpec, Shape
from .graph import Graph, Node, Value
from .onnx_file import with_borders
from .passes import drop_unused
from .shapes import PROBES, infer_dtypes, infer_shapes


def find_layers(graph: Graph) -> dict[str, str]:
    """Name the layers of a network: the modules that its nodes came from, and single nodes.

    A node's name is its path, with dots as in torch or with slashes as torch writes ONNX files. What a module gives is
    the last of its tensors that something outside reads. Modules of the zoo's backbones have the names that
    `create_model(features_only=True)` takes: ``stage2``, ``block5.expand``.

    Returns:
        The tensor of each layer, in execution order; only tensors of floats.
    """
    places, dtypes = _places(graph), infer_dtypes(graph)
    readers = _readers(graph, places)
    found: dict[str, str] = {}
    for node, place in zip(graph.nodes, places, strict=True):
        for layer in _paths(place) if set(node.inputs) - graph.constants.keys() else ():  # weights are no layers
            leaving = [t for t in node.outputs if any(not _is_inside(by, layer) for by in readers[t])]
            if leaving and dtypes[leaving[-1]] in _FLOATS and (layer == leaving[-1] or layer not in dtypes):
                found.pop(layer, None)  # the order is that of the last tensor
                found[layer] = leaving[-1]
    return found


def keep_layers(graph: Graph, layers: Sequence[str]) -> Graph:
    """Give a network whose outputs are layers of another one, under their names; what they do not need is left out.

    Args:
        graph: any graph.
        layers: names that `find_layers` gives.

    Raises:
        UnknownName: there is no such layer.
        BadValue: none is named.
    """
    if isinstance(layers, str) or not layers:
        raise BadValue(f"layers={layers!r}; a list of one or more names is required")
    known, dtypes = find_layers(graph), infer_dtypes(graph)
    for layer in layers:
        if layer not in known:
            raise UnknownName("layer", layer, known, "underone info FILE --layers lists them.")
    wanted = {layer: known[layer] for layer in dict.fromkeys(layers)}
    ends = [_end(layer, tensor, dtypes[tensor]) for layer, tensor in wanted.items() if layer != tensor]
    kept = {layer: "float32" if layer != tensor else dtypes[tensor] for layer, tensor in wanted.items()}
    shapes = _open_shapes(graph)
    outputs = tuple(Value(layer, shapes[tensor], kept[layer]) for layer, tensor in wanted.items())
    features = tuple(OutputSpec(name=layer, meaning="features") for layer in wanted)
    spec = graph.spec.model_copy(
        update={"task": "features", "outputs": features, "labels": None, "detection": None, "segmentation": None}
    )
    spec = with_borders(spec, graph.inputs, outputs)
    return drop_unused(replace(graph, nodes=(*graph.nodes, *ends), outputs=outputs, spec=spec))


def pooled_layer(graph: Graph) -> str:
    """Name the layer whose maps the network itself averages last: what a classifier knows of a picture.

    Raises:
        BadValue: nothing is averaged over whole maps, as in most detectors.
    """
    pools = [n for n in graph.nodes if n.op == "GlobalAveragePool" or _is_mean_of_maps(n)]
    names = {tensor: layer for layer, tensor in find_layers(graph).items()}  # of several the outermost: it comes last
    for node in reversed(pools):
        if node.inputs[0] in names:
            return names[node.inputs[0]]
    raise BadValue(f"{graph.spec.name!r} averages no whole maps at its end; name a layer")


_FLOATS = ("float32", "float16")
_ROUNDING = ("QuantizeLinear", "DequantizeLinear")
_GROUPS = {"blocks": 0, "stages": 1}  # from what the zoo's backbones count them: block0, stage1


def _path(node: Node) -> str:
    """Give the path of the module that a node came from, as the features of the zoo's backbones are named."""
    path = node.name or node.outputs[0]
    inside = path.removeprefix("backbone.")
    place = re.match(r"(blocks|stages)\.(\d+)", inside)
    if inside == path or place is None:
        return inside
    group, number = place.groups()
    return f"{group[:-1]}{int(number) + _GROUPS[group]}{inside[place.end() :]}"


def _paths(path: str) -> Iterator[str]:
    """Give a path and those it lies in, the innermost first."""
    mark = "/" if path.startswith("/") else "."
    while path:
        yield path
        path = path.rpartition(mark)[0]


def _is_inside(path: str, layer: str) -> bool:
    return path == layer or path.startswith((layer + ".", layer + "/"))


def _places(graph: Graph) -> list[str]:
    """Give the path of each node; a tensor is rounded to 8 bits where it was computed."""
    written: dict[str, str] = {}
    for node in graph.nodes:
        own = written.get(node.inputs[0]) if node.op in _ROUNDING else None
        written |= dict.fromkeys(node.outputs, own or _path(node))
    return [written[node.outputs[0]] for node in graph.nodes]


def _readers(graph: Graph, places: Sequence[str]) -> Mapping[str, list[str]]:
    """Give the paths of those that read each tensor; outside of all is the empty path."""
    readers: dict[str, list[str]] = defaultdict(list)
    for node, place in zip(graph.nodes, places, strict=True):
        for name in node.inputs:
            readers[name].append(place)
    for value in graph.outputs:
        readers[value.name].append("")
    return readers


def _end(layer: str, tensor: str, dtype: str) -> Node:
    """Give a tensor the name of its layer, in float32."""
    if dtype == "float32":
        return Node("Identity", (tensor,), (layer,))
    return Node("Cast", (tensor,), (layer,), {"to": "float32"})


def _open_shapes(graph: Graph) -> dict[str, Shape]:
    """Find the shape of every tensor; what moves with the open sizes of the inputs is None."""
    a, b = (infer_shapes(graph, sizes=_sizes(graph, probe)) for probe in PROBES)
    return {n: tuple(x if x == y else None for x, y in zip(a[n].shape, b[n].shape, strict=True)) for n in a}


def _sizes(graph: Graph, probe: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    return {v.name: tuple(probe[i > 0] if d is None else d for i, d in enumerate(v.shape)) for v in graph.inputs}


def _is_mean_of_maps(node: Node) -> bool:
    return node.op == "ReduceMean" and tuple(node.attrs.get("axes", ())) in ((2, 3), (-2, -1), (-1, -2))
