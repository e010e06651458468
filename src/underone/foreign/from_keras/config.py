"""The configuration of a model: JSON of Keras 2 or 3 as layers, and what each is called on.

Source: Keras 2.0 to 3.15, `get_config` of Sequential and Functional.
"""

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ...errors import BadFile, Unsupported

_LONGEST = 4 << 20  # characters; the largest networks of keras.applications have 1 million
_DEEPEST = 8  # models inside models

_CONSTANT = "_CONSTANT_VALUE"  # Keras 2: ["_CONSTANT_VALUE", -1, number, {more arguments}]
_SEQUENTIAL, _FUNCTIONAL = ("Sequential",), ("Functional", "Model")


class Ref(NamedTuple):
    """A tensor: which output of which call of which layer."""

    layer: str
    call: int
    tensor: int


Argument = Ref | float


@dataclass(frozen=True)
class Layer:
    """A layer of a model.

    Attributes:
        name: unique in its model.
        kind: the class.
        config: its configuration.
        calls: what each call of it is given; of an input layer one call with nothing.
        model: what is inside, when the layer is a model.
        tracked: a layer proper, not an operator such as the + of two tensors.
        first: number of its first call. Keras 2 counts from 1 for models, whose call number 0 is their own making.
    """

    name: str
    kind: str
    config: Mapping[str, Any]
    calls: tuple[tuple[Argument, ...], ...]
    model: "Model | None" = None
    tracked: bool = True
    first: int = 0


@dataclass(frozen=True)
class Model:
    """A model: its layers by name in the order of the file, what it takes and what it gives."""

    name: str
    layers: Mapping[str, Layer]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]


def parse_model(text: str, where: str) -> Model:
    """Read the JSON of a model.

    Raises:
        BadFile: it is no JSON, too long, or not the configuration of a model.
        Unsupported: the model is a class of its own, whose code is not in the file.
    """
    if len(text) > _LONGEST:
        raise BadFile(f"{where}: a configuration of {len(text)} characters; at most {_LONGEST} are read")
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{where}: the configuration is no JSON: {str(error) or type(error).__name__}") from error
    return _Parser(where).model(raw, 0)


class _Parser:
    def __init__(self, where: str) -> None:
        self.where = where

    def model(self, raw: Any, depth: int) -> Model:
        kind, config = self.required(raw, "class_name", str), raw.get("config")
        if depth > _DEEPEST:
            raise BadFile(f"{self.where}: models inside models, more than {_DEEPEST} deep")
        if kind in _SEQUENTIAL:
            return self.sequential({"layers": config} if isinstance(config, list) else config, depth)
        if kind in _FUNCTIONAL or (isinstance(config, dict) and "input_layers" in config):
            return self.functional(config, depth)
        raise Unsupported(f"{self.where}: the model is of class {kind!r}, whose code is not in the file; "
                          "Sequential and Functional models are read")  # fmt: skip

    def sequential(self, config: Any, depth: int) -> Model:
        layers: list[Layer] = []
        for raw in self.required(config, "layers", list):
            if not layers and self.required(raw, "class_name", str) != "InputLayer":
                layers.append(self.implied_input(raw, config))
            before = Ref(layers[-1].name, 0, 0) if layers else None
            layers.append(self.layer(raw, depth, ((before,) if before else (),)))
        if not layers:
            raise BadFile(f"{self.where}: a model without layers")
        name = config.get("name")
        ends = tuple((Ref(end.name, 0, 0),) for end in (layers[0], layers[-1]))
        return Model(name if isinstance(name, str) else "sequential", self.by_name(layers), *ends)

    def implied_input(self, raw: Any, config: Mapping[str, Any]) -> Layer:
        """Give the input layer of a Sequential model whose first layer says what it takes."""
        first = self.required(raw, "config", (dict, list))
        settings = first if isinstance(first, dict) else {}
        shape = settings.get("batch_input_shape") or config.get("build_input_shape")
        kept = {"batch_shape": shape, "dtype": settings.get("dtype")}
        return Layer(f"{settings.get('name', 'first')}_input", "InputLayer", kept, ((),), tracked=False)

    def functional(self, config: Any, depth: int) -> Model:
        raws = self.required(config, "layers", list)
        layers = [self.layer(raw, depth, self.calls(raw)) for raw in raws]
        name = config.get("name")
        inputs, outputs = (
            tuple(r for r in _references(config.get(key)) if isinstance(r, Ref))
            for key in ("input_layers", "output_layers")
        )
        used = {(r.layer, r.call) for r in (*outputs, *_used(layers))}
        layers = [replace(layer, first=_first_call(layer, used)) for layer in layers]
        return Model(name if isinstance(name, str) else "model", self.by_name(layers), inputs, outputs)

    def layer(self, raw: Any, depth: int, calls: tuple[tuple[Argument, ...], ...]) -> Layer:
        kind, config = self.required(raw, "class_name", str), self.required(raw, "config", (dict, list))
        inside = kind in (*_SEQUENTIAL, *_FUNCTIONAL) or "layers" in config
        model = self.model(raw, depth + 1) if inside else None
        settings = config if isinstance(config, dict) else {}
        name = raw.get("name") or settings.get("name")
        if not isinstance(name, str):
            raise BadFile(f"{self.where}: a layer of class {kind!r} has no name")
        module = raw.get("module")
        tracked = not (isinstance(module, str) and ".ops" in module)
        return Layer(name, kind, settings, calls, model, tracked)

    def calls(self, raw: Any) -> tuple[tuple[Argument, ...], ...]:
        nodes = raw.get("inbound_nodes") if isinstance(raw, dict) else None
        if nodes is None:
            nodes = []
        if not isinstance(nodes, list):
            raise BadFile(f"{self.where}: inbound_nodes is {nodes!r:.40}; a list is required")
        return tuple(tuple(_references(node)) for node in nodes) or ((),)

    def by_name(self, layers: list[Layer]) -> dict[str, Layer]:
        found = {layer.name: layer for layer in layers}
        if len(found) != len(layers):
            raise BadFile(f"{self.where}: two layers of one model have the same name")
        return found

    def required(self, raw: Any, key: str, kind: Any) -> Any:
        if not isinstance(raw, dict) or not isinstance(raw.get(key), kind):
            raise BadFile(f"{self.where}: the configuration of the model has no valid {key!r} where one is required")
        return raw[key]


def _used(layers: Sequence[Layer]) -> Iterator[Ref]:
    return (a for layer in layers for call in layer.calls for a in call if isinstance(a, Ref))


def _first_call(layer: Layer, used: Container[tuple[str, int]]) -> int:
    return int(layer.model is not None and (layer.name, len(layer.calls)) in used and (layer.name, 0) not in used)


def _references(value: Any) -> Iterator[Argument]:
    """Give the tensors and numbers in the arguments of a call, in order, in the notation of any version.

    Keras 2: [name, call, tensor, {more arguments}] in lists; Keras 3: objects with a history, or [name, call, tensor].
    """
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict) and item.get("class_name") == "__keras_tensor__":
            config = item.get("config")
            todo.append(config.get("keras_history") if isinstance(config, dict) else None)
        elif isinstance(item, dict) and {"args", "kwargs"} <= item.keys():
            todo += [item["kwargs"], item["args"]]
        elif isinstance(item, dict):
            todo += [v for k, v in reversed(item.items()) if k not in ("training", "mask", "name")]
        elif isinstance(item, list) and item[:1] == [_CONSTANT]:
            todo += [item[3:], *item[2:3]]
        elif isinstance(item, list) and _is_reference(item):
            yield Ref(*item[:3])
            todo += item[3:]
        elif isinstance(item, list):
            todo += reversed(item)
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            yield float(item)


def _is_reference(item: list[Any]) -> bool:
    return len(item) >= 3 and [type(v) for v in item[:3]] == [str, int, int]
