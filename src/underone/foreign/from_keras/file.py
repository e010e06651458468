"""read_keras: a file of any of the three layouts as a ForeignFile."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path as FilePath

from ...errors import BadFile, Unsupported
from ...graph import Array
from ..bounded import Reader, open_file
from ..foreign_file import ForeignFile
from ..hdf5 import Group, read_hdf5
from ..zip_member import read_member
from .config import Model, parse_model
from .layers import kinds_of
from .network import build_network
from .settings import Settings
from .weights import Path, array_of, counted_weights, fit_names, has_names, layers_of, named_weights, short_names

_ZIP = b"PK\x03\x04"
_WEIGHTS = "model.weights.h5"
_MOST_TIMES, _ALWAYS = 2, 16 << 20  # a member unpacks to at most twice the file and 16 MiB
_NOT_WEIGHTS = ("optimizer", "optimizer_weights", "_optimizer")


def read_keras(path: FilePath) -> ForeignFile:
    """Read a Keras file: `.h5` of a model or of weights only, `.keras`, `.weights.h5`.

    Tensors are named "layer/kind", "model/layer/kind" in models inside; `.weights.h5` without a configuration: by their
    place in the file. The state of the optimizer is left out.

    Raises:
        BadFile: the file cannot be read, is damaged, hostile, or not what its name says.
        Unsupported: it stores weights in a way that is not read.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(4) == _ZIP
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror or error}") from error
    return _read_archive(path) if zipped else _read_h5(path)


def _read_archive(path: FilePath) -> ForeignFile:
    limit = _MOST_TIMES * path.stat().st_size + _ALWAYS
    with path.open("rb") as file:
        config, weights, metadata = (
            read_member(file, str(path), name, limit) for name in ("config.json", _WEIGHTS, "metadata.json")
        )
    if config is None:
        raise BadFile(f"{path} has no member config.json; a .keras archive is required")
    if weights is None:
        raise Unsupported(f"{path} has no member {_WEIGHTS}; weights in one HDF5 file are read")
    model = parse_model(_decoded(config, path), str(path))
    root = read_hdf5(Reader(memoryview(weights), f"{path}/{_WEIGHTS}"))
    version = _json_version(metadata, path)
    return _foreign(path, model, counted_weights(root, model), version, ())


def _read_h5(path: FilePath) -> ForeignFile:
    root = read_hdf5(open_file(path))
    if not has_names(root):
        tensors = {d.path.lstrip("/"): array_of(d) for d in root.datasets() if d.path.split("/")[1] not in _NOT_WEIGHTS}
        return ForeignFile(str(path), "Keras", tensors, notes=_left_out(root))
    found, config = named_weights(root), root.attributes.get("model_config")
    if not isinstance(config, str):
        return ForeignFile(str(path), "Keras", _tensors(short_names(found)), notes=_left_out(root))
    model = parse_model(config, str(path))
    group = root.group("model_weights") if "model_weights" in root else root
    version = root.attributes.get("keras_version", group.attributes.get("keras_version", "1"))
    return _foreign(path, model, fit_names(found, model, str(path)), str(version), _left_out(root))


def _foreign(
    path: FilePath, model: Model, weights: Mapping[Path, dict[str, Array]], version: str, notes: tuple[str, ...]
) -> ForeignFile:
    settings = {p: (kind, Settings(config, f"{path}: layer {p[-1]!r}")) for p, kind, config in layers_of(model)}
    named = {p: _by_kind(arrays, *settings[p]) for p, arrays in weights.items()}
    major = int(version[0]) if version[:1].isdigit() else 3
    build = partial(build_network, model, weights, major, str(path))
    return ForeignFile(str(path), "Keras", _tensors(named), notes=notes, build=build)


def _by_kind(arrays: dict[str, Array], kind: str, settings: Settings) -> dict[str, Array]:
    """Name the arrays of a layer by kind, where its class is known and has as many."""
    kinds = kinds_of(kind, settings)
    return dict(zip(kinds, arrays.values(), strict=True)) if kinds and len(kinds) == len(arrays) else arrays


def _tensors(weights: Mapping[Path, Mapping[str, Array]]) -> dict[str, Array]:
    return {"/".join((*path, kind)): array for path, arrays in weights.items() for kind, array in arrays.items()}


def _left_out(root: Group) -> tuple[str, ...]:
    found = [name for name in _NOT_WEIGHTS if name in root.addresses]
    return (f"the state of the optimizer ({found[0]}) is left out",) if found else ()


def _decoded(data: bytes, path: FilePath) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadFile(f"{path}: config.json, byte {error.start}: a text that is not UTF-8") from error


def _json_version(data: bytes | None, path: FilePath) -> str:
    """Give the version of Keras from metadata.json; 3 where it does not say."""
    try:
        found = json.loads((data or b"{}")[:4096])
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path}: metadata.json is no JSON: {error}") from error
    return str(found.get("keras_version", "3")) if isinstance(found, dict) else "3"
