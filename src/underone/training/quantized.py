"""A folded network that learns in 8 bits: what the file will hold in whole numbers is rounded at every step."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..errors import BadFile, BadValue, ParityFailed
from ..fold import reparameterize
from ..graph import Array, Graph, Node
from ..quantization import open_network
from ..quantization.layers import Layer, layers_of
from ..quantization.pictures import spread
from ..quantization.quantize import write_quantized
from ..quantization.scheme import Scheme, Weights
from ..quantization.stages import USUAL_REMEDIES, Quantizer, Stage
from ..runtime.torch_ops import bound
from ..spec import ModelSpec
from .recipe import Recipe
from .rounding import log_ends, range_of, rounded, whole_bias, whole_weight

_CALIBRATED = 128  # pictures that the ranges begin with


def learning_form(model: nn.Module, pictures: Any, recipe: Recipe) -> nn.Module:
    """Give a network in the form that learns: as it was built, or folded and in 8 bits where the recipe says so.

    Args:
        model: of `create_model`.
        pictures: the training set.
        recipe: how to train.

    Raises:
        BadValue: the network is folded already, and the recipe does not quantise it.
    """
    if recipe.quantize:
        return QuantizedNetwork(_opened(reparameterize(model), pictures).stage(USUAL_REMEDIES))
    if cast(ModelSpec, model.spec).form != "training":
        raise BadValue(f"{recipe.weights} holds a folded network, which cannot be trained; give the training form")
    return model


def write_learned(network: "QuantizedNetwork", path: Path, pictures: Any) -> Path:
    """Write a network as a file in whole numbers, with the very steps and ranges that it learned.

    Args:
        network: in any mode.
        path: ``.onnx``.
        pictures: what the verdict is made on.

    Raises:
        ParityFailed: it answers something else than its own weights in float32; nothing was written.
    """
    graph, scheme = network.learned()
    try:
        return write_quantized(path, graph, scheme, _opened(graph, pictures), {"calibration": "learned"})
    except ParityFailed as reason:
        raise ParityFailed(f"{reason}; the learned weights are kept beside it; learn with a smaller lr") from reason


def _opened(network: nn.Module | Graph, pictures: Any) -> Quantizer:
    found = list(_readable(pictures))
    return open_network(network, found, max(len(found), 1))


def _readable(pictures: Any) -> Iterator[bytes]:
    """Give some pictures as they are on disk; those that cannot be read are reported when they are to be learnt."""
    for index in spread(len(pictures), _CALIBRATED):
        with suppress(BadFile):
            yield pictures.read(index)


class QuantizedNetwork(nn.Module):
    """A network and its scheme, whose weights, steps and ranges learn.

    Its weights have the names of the folded network. Beside each quantised one stands its ``step``: the logarithm of
    one step, for each output. ``ranges`` hold the logarithms of how far each range reaches below and above 0.

    Args:
        stage: where it begins.

    Attributes:
        graph: the network in float32, as it was in the beginning.
        spec: of the network.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.graph, self.spec, self.owners = stage.graph, stage.graph.spec, stage.owners
        self.layers = {layer.output: layer for layer in stage.layers}
        self.floats = {layer.output for layer in layers_of(stage.graph)} - set(self.layers)
        for name, value in _constants(stage).items():
            _place(self, name, torch.from_numpy(value.copy()))
        for output, layer in self.layers.items():
            _place(self, _step(layer), torch.from_numpy(stage.scheme.weights[output].scales).log())
        self.places = {owner: i for i, owner in enumerate(dict.fromkeys(stage.owners.values()))}
        self.ranges = nn.ParameterList(log_ends(stage.scheme.ranges[owner]) for owner in self.places)

    def forward(self, images: Tensor) -> Any:
        """Map (N, C, H, W) to what the network gives: a tensor of a classifier, of others tensors by name."""
        image = self.graph.inputs[0].name
        last_use = {name: i for i, node in enumerate(self.graph.nodes) for name in node.inputs}
        last_use |= {value.name: -1 for value in self.graph.outputs}  # they stay
        exact, stored = {image: images}, {image: self.stored(image, images)}
        for i, node in enumerate(self.graph.nodes):
            known = {**(exact if node.outputs[0] in self.floats else stored), **self.fixed(node)}
            operands = [known[name] if name else None for name in node.inputs]
            results = bound(node, operands)(*operands)
            for name, value in zip(node.outputs, results if isinstance(results, tuple) else (results,), strict=True):
                exact[name], stored[name] = value, self.stored(name, value)
            for name in (name for name in node.inputs if last_use[name] == i and name in exact):
                del exact[name], stored[name]
        outputs = {value.name: stored[value.name] for value in self.graph.outputs}
        return next(iter(outputs.values())) if self.spec.task == "classify" else outputs

    def stored(self, name: str, values: Tensor) -> Tensor:
        """Give a tensor as it comes back from where it is stored."""
        return rounded(values, self.ends(name)) if name in self.owners else values

    def ends(self, name: str) -> Tensor:
        """Give the logarithms of the ends of a tensor's range, (2,)."""
        found: Tensor = self.ranges[self.places[self.owners[name]]]
        return found

    def fixed(self, node: Node) -> dict[str, Tensor]:
        """Give the constants that a node reads, by name; the weight of a quantised layer as it is in whole steps."""
        names = (name for name in node.inputs if name in self.graph.constants)
        found: dict[str, Tensor] = {name: self.get_parameter(name) for name in names}
        layer = self.layers.get(node.outputs[0])
        if layer is not None:
            source, weight, *bias = layer.node.inputs
            whole, step = whole_weight(found[weight], self.get_parameter(_step(layer)), layer.axis)
            found[weight] = whole * step
            for name in bias:
                found[name] = whole_bias(found[name], step, range_of(self.ends(source)))
        return found

    @torch.no_grad()
    def learned(self) -> tuple[Graph, Scheme]:
        """Give the network in float32 with the weights that it has now, and its scheme."""
        constants = {name: self.get_parameter(name).cpu().numpy() for name in self.graph.constants}
        ranges = {name: range_of(self.ends(name)) for name in self.owners}
        weights = {output: self._weights(layer, constants) for output, layer in self.layers.items()}
        return replace(self.graph, constants=constants), Scheme(ranges, weights)

    def _weights(self, layer: Layer, constants: Mapping[str, Array]) -> Weights:
        weight, *bias = layer.node.inputs[1:]
        whole, step = whole_weight(self.get_parameter(weight), self.get_parameter(_step(layer)), layer.axis)
        steps = step.flatten().cpu().numpy()
        return Weights(whole.to(torch.int8).cpu().numpy(), steps, constants[bias[0]] if bias else 0 * steps)


def _step(layer: Layer) -> str:
    return f"{layer.node.inputs[1].removesuffix('.weight')}.step"


def _constants(stage: Stage) -> dict[str, Array]:
    """Give the constants, with the biases that the scheme corrected."""
    pairs = [(layer.node.inputs[2:], stage.scheme.weights[layer.output].bias) for layer in stage.layers]
    return {**stage.graph.constants, **{names[0]: bias for names, bias in pairs if names}}


def _place(root: nn.Module, name: str, value: Tensor) -> None:
    """Give a module a parameter whose name has dots."""
    *path, last = name.split(".")
    for part in path:
        if not hasattr(root, part):
            root.add_module(part, nn.Module())
        root = getattr(root, part)
    root.register_parameter(last, nn.Parameter(value, requires_grad=value.is_floating_point()))
