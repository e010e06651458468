"""A Keras model as a Graph: every call in the order in which they depend on each other, models inside unrolled."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from ...errors import BadFile, UnknownName, Unsupported
from ...graph import Array
from ...spec import Shape
from ..builder import Builder
from ..foreign_file import Cut, Network
from .activations import activation_of
from .call import Call
from .config import Layer, Model, Ref
from .layers import kinds_of, row_of
from .preparation import preparation_of
from .settings import Settings
from .weights import Path

_MOST_CALLS = 1 << 12  # of layers; models inside count each time they are called
_MOST_COMPUTED = 1 << 22  # elements of constants that are computed, beside as many as the file has
_WITH_ACTIVATION = ("Dense", "Activation")

Weights = Mapping[Path, Mapping[str, Array]]


def build_network(model: Model, weights: Weights, keras: int, where: str, cut: Cut) -> Network:
    """Make the graph of a model.

    Args:
        model: its configuration.
        weights: arrays by kind, by layer.
        keras: major version of Keras that wrote the file.
        where: the file's name, for errors.
        cut: which outputs are wanted; names of layers of the outermost model.

    Raises:
        BadFile: the configuration or the weights are damaged or do not fit.
        Unsupported: a layer that is not read, or an input other than the model's own.
        UnknownName: no layer has the name of a wanted output.
    """
    walk = _Walk(weights, keras, where)
    refs = _wanted(model, cut)
    if set(cut.inputs) - {r.layer for r in model.inputs}:
        raise Unsupported(f"{where}: a Keras model is read from its own inputs {[r.layer for r in model.inputs]} on")
    given = [walk.input(model, ref) for ref in model.inputs]
    tensors = walk.run(model, (), given, refs)
    names = [ref.layer if ref.tensor == 0 else f"{ref.layer}:{ref.tensor}" for ref in refs]
    for name, tensor in zip(names, tensors, strict=True):
        walk.builder.output(name, tensor)
    meanings = walk.meanings(model, refs, names, tensors)
    graph = walk.builder.finish(model.name, preparation=preparation_of(model), meanings=meanings)
    return Network(graph, tuple(walk.builder.notes))


def _wanted(model: Model, cut: Cut) -> tuple[Ref, ...]:
    """Give the outputs that are wanted."""
    unknown = [name for name in cut.outputs if name not in model.layers]
    if unknown:
        raise UnknownName("layer", unknown[0], model.layers)
    return tuple(Ref(name, model.layers[name].first, 0) for name in cut.outputs) or model.outputs


class _Walk:
    def __init__(self, weights: Weights, keras: int, where: str) -> None:
        size = sum(a.size for arrays in weights.values() for a in arrays.values())
        self.builder = Builder(where, size + _MOST_COMPUTED)
        self.weights, self.keras, self.where = weights, keras, where
        self.calls = 0

    def input(self, model: Model, ref: Ref) -> str:
        """Add an input of the network."""
        layer = self.layer(model, ref)
        settings = self.settings(layer)
        raw = settings.raw("batch_shape") or settings.raw("batch_input_shape")
        if not isinstance(raw, list) or not all(d is None or (isinstance(d, int) and 0 < d < 1 << 31) for d in raw):
            raise BadFile(f"{settings.owner} takes the shape {raw!r:.60}; sizes or null are required")
        shape: Shape = tuple(raw)
        dtype = settings.raw("dtype")
        return self.builder.input(layer.name, shape, dtype if dtype in ("uint8", "int32") else "float32")

    def run(self, model: Model, outer: Path, given: Sequence[str], refs: Sequence[Ref]) -> list[str]:
        """Give the tensors `refs` of a model that is given the tensors `given`."""
        made = {(ref.layer, 0): [tensor] for ref, tensor in zip(model.inputs, given, strict=True)}
        for name, index in self.order(model, refs, made):
            layer = model.layers[name]
            inputs = [
                self.tensor(made, self.existing(model, a)) if isinstance(a, Ref) else a for a in layer.calls[index]
            ]
            made[name, index] = self.call(layer, outer, inputs)
        return [self.tensor(made, self.existing(model, ref)) for ref in refs]

    def order(self, model: Model, refs: Sequence[Ref], made: Mapping[tuple[str, int], object]) -> list[tuple[str, int]]:
        """Give the calls that `refs` need, each after those that it depends on."""
        todo, needs = [self.existing(model, ref) for ref in refs], dict[tuple[str, int], set[tuple[str, int]]]()
        while todo:
            call = todo.pop()[:2]
            if call in needs or call in made:
                continue
            below = [self.existing(model, a) for a in model.layers[call[0]].calls[call[1]] if isinstance(a, Ref)]
            needs[call] = {ref[:2] for ref in below}
            todo += below
        try:
            return [call for call in TopologicalSorter(needs).static_order() if call not in made]
        except CycleError as error:
            raise BadFile(f"{self.where}: layer {error.args[1][0][0]!r} depends on itself") from error

    def existing(self, model: Model, ref: Ref) -> Ref:
        """Give a tensor with its call counted from 0, after a look whether that exists."""
        layer = self.layer(model, ref)
        index = ref.call - layer.first
        if not 0 <= index < len(layer.calls):
            raise BadFile(
                f"{self.where}: call {ref.call} of layer {ref.layer!r} is used; it is called {len(layer.calls)} times"
            )
        return Ref(ref.layer, index, ref.tensor)

    def layer(self, model: Model, ref: Ref) -> Layer:
        """Look up the layer of a tensor."""
        if ref.layer not in model.layers:
            raise BadFile(f"{self.where}: model {model.name!r} uses the layer {ref.layer!r}, which it does not have")
        return model.layers[ref.layer]

    def tensor(self, made: Mapping[tuple[str, int], Sequence[str]], ref: Ref) -> str:
        """Give a tensor that was made."""
        found = made[ref.layer, ref.call]
        if not 0 <= ref.tensor < len(found):
            raise BadFile(f"{self.where}: output {ref.tensor} of layer {ref.layer!r} is used; it has {len(found)}")
        return found[ref.tensor]

    def call(self, layer: Layer, outer: Path, inputs: Sequence[str | float]) -> list[str]:
        """Add what one call of a layer computes."""
        self.calls += 1
        if self.calls > _MOST_CALLS:
            raise BadFile(f"{self.where}: more than {_MOST_CALLS} calls of layers")
        path = (*outer, layer.name)
        if layer.model is not None:
            given = [i for i in inputs if isinstance(i, str)]
            if len(given) != len(layer.model.inputs):
                raise BadFile(f"{self.where}: model {layer.name!r} is given {len(given)} tensors; it takes "
                              f"{len(layer.model.inputs)}")  # fmt: skip
            return self.run(layer.model, path, given, layer.model.outputs)
        settings = self.settings(layer)
        row = row_of(layer.kind, settings)
        self.note_precision(settings)
        call = Call(self.builder, "/".join(path), settings, self.arrays(layer, path, settings), inputs, self.keras)
        return [row.rule(call)]

    def note_precision(self, settings: Settings) -> None:
        """Say when the file asks for arithmetic that is not float32."""
        policy = settings.raw("dtype")
        config = policy.get("config") if isinstance(policy, dict) else None
        name = config.get("name") if isinstance(config, dict) else policy
        if isinstance(name, str) and "float16" in name:
            self.builder.note(f"computed in float32; the file asks for {name}")

    def arrays(self, layer: Layer, path: Path, settings: Settings) -> dict[str, Array]:
        """Give the arrays of a layer by the kinds that its class has, in Keras' order."""
        kinds, found = kinds_of(layer.kind, settings) or [], list(self.weights.get(path, {}).values())
        if len(kinds) != len(found):
            raise BadFile(
                f"{settings.owner} has {len(found)} weights in the file; {', '.join(kinds) or 'none'} are due"
            )
        return dict(zip(kinds, found, strict=True))

    def settings(self, layer: Layer) -> Settings:
        """Wrap a layer's configuration."""
        return Settings(layer.config, f"{self.where}: layer {layer.name!r}")

    def meanings(
        self, model: Model, refs: Sequence[Ref], names: Sequence[str], tensors: Sequence[str]
    ) -> dict[str, str]:
        """Say which outputs are probabilities of classes: a softmax over vectors, right at the end."""
        found = {}
        for ref, name, tensor in zip(refs, names, tensors, strict=True):
            layer = model.layers[ref.layer]
            last = layer.kind == "Softmax" or (
                layer.kind in _WITH_ACTIVATION and activation_of(self.settings(layer)) == "softmax"
            )
            if last and self.builder.rank(tensor) == 2:
                found[name] = "probabilities"
        return found
