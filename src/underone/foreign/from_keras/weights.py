"""Where the weights of a model lie in an HDF5 file, in both layouts of Keras: by layer name, and by class and index.

Either gives the arrays of a layer in the order in which Keras made them.

Source: Keras 3.15, legacy_h5_format.py and saving_lib.py.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...errors import BadFile
from ...graph import Array
from ..hdf5 import Dataset, Group
from .config import Model

Path = tuple[str, ...]  # names of models and layers, from the outside in


def named_weights(root: Group) -> dict[Path, dict[str, Array]]:
    """Read a file of the older layout: groups by layer name, whose attribute lists the weights.

    Returns:
        By (layer, owner) arrays by kind ("kernel", "bias", …) in the order of the file. The owner is the name before
        the kind: the layer itself, or a layer of the model that it is.

    Raises:
        BadFile: a list names a weight that is not there, or one twice.
    """
    group = root.group("model_weights") if "model_weights" in root else root
    found: dict[Path, dict[str, Array]] = {}
    for layer in _names(group, "layer_names"):
        members = group.group(layer)
        for name in _names(members, "weight_names"):
            owner, _, kind = name.removesuffix(":0").rpartition("/")
            kept = found.setdefault((layer, owner.rpartition("/")[2]), {})
            if kind in kept:
                raise BadFile(f"{root.reader.where}: layer {layer!r} lists the weight {name!r} twice")
            kept[kind] = array_of(members.dataset(name))
    return found


def array_of(dataset: Dataset) -> Array:
    """Read a weight; bfloat16, which HDF5 has no type for, becomes float32."""
    array = dataset.read()
    if array.dtype.kind == "V" and array.dtype.itemsize == 2 and dataset.attributes.get("dtype") == "bfloat16":
        return (array.view("<u2").astype(np.uint32) << 16).view(np.float32)
    return array


def has_names(root: Group) -> bool:
    """Say whether a file has the older layout."""
    group = root.group("model_weights") if "model_weights" in root else root
    return any(re.fullmatch(r"layer_names\d*", name) for name in group.attributes)


def _names(group: Group, attribute: str) -> list[str]:
    """Read a list of names; a long one is split over several attributes with numbers behind their names."""
    pieces = [attribute, *(f"{attribute}{i}" for i in range(len(group.attributes)))]
    found: list[str] = []
    for piece in pieces:
        value = group.attributes.get(piece, [])
        found += [v for v in value if isinstance(v, str)] if isinstance(value, list) else []
    return found


def counted_weights(root: Group, model: Model) -> dict[Path, dict[str, Array]]:
    """Read a file of the newer layout: groups by class and index, arrays by number.

    Returns:
        By layer, its arrays by number in order ("0", "1", …).

    Raises:
        BadFile: a name that the file keeps beside the weights is another layer's.
    """
    found = {}
    for path, place in _places(model, ()):
        group = root.group(f"{place}/vars") if f"{place}/vars" in root else None
        if group is None or not group.addresses:
            continue
        name = group.attributes.get("name", path[-1])
        if name != path[-1]:
            raise BadFile(f"{root.reader.where}: /{place} holds the weights of {name!r}; those of {path[-1]!r} are due")
        found[path] = {n: array_of(group.dataset(n)) for n in sorted(group.addresses, key=lambda n: (len(n), n))}
    return found


def _places(model: Model, outer: Path) -> Iterator[tuple[Path, str]]:
    """Give each layer and its place in the file; models nest at most as deep as the configuration may."""
    counts: Counter[str] = Counter()
    for layer in model.layers.values():
        if not layer.tracked:
            continue
        kind = snake_case(layer.kind)
        place = f"layers/{kind}_{counts[kind]}" if counts[kind] else f"layers/{kind}"
        counts[kind] += 1
        path = (*outer, layer.name)
        if layer.model is None:
            yield path, place
        else:
            yield from ((p, f"{place}/{inner}") for p, inner in _places(layer.model, path))


def snake_case(name: str) -> str:
    """Write the name of a class as Keras does: DepthwiseConv2D → depthwise_conv2d."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def layers_of(model: Model, outer: Path = ()) -> Iterator[tuple[Path, str, Mapping[str, Any]]]:
    """Give path, class and configuration of each layer, those of models inside too."""
    for layer in model.layers.values():
        path = (*outer, layer.name)
        if layer.model is None:
            yield path, layer.kind, layer.config
        else:
            yield from layers_of(layer.model, path)


def fit_names(found: Mapping[Path, dict[str, Array]], model: Model, where: str) -> dict[Path, dict[str, Array]]:
    """Give weights of the older layout the paths of the model's layers.

    Raises:
        BadFile: weights belong to no layer, or to several of the same name.
    """
    inner = Counter((path[0], path[-1]) for path, *_ in layers_of(model) if len(path) > 1)
    paths = {(path[0], path[-1]): path for path, *_ in layers_of(model) if len(path) > 1}
    fitted: dict[Path, dict[str, Array]] = {}
    for (layer, owner), arrays in found.items():
        plain = layer in model.layers and model.layers[layer].model is None
        if not plain and inner[layer, owner] != 1:
            raise BadFile(
                f"{where}: the weights of {f'{layer}/{owner}'!r} belong to no layer, or to several of that name"
            )
        fitted.setdefault((layer,) if plain else paths[layer, owner], {}).update(arrays)
    return fitted


def short_names(found: Mapping[Path, dict[str, Array]]) -> dict[Path, dict[str, Array]]:
    """Leave out owners where a layer has one: of files without a configuration."""
    owners = Counter(layer for layer, _ in found)
    return {path[:1] if owners[path[0]] == 1 else path: arrays for path, arrays in found.items()}
