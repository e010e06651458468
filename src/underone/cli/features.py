"""The commands `features` and `neighbours`, and the layers of `info`: what lies inside a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import BadFile, UnderOneError, UnknownName
from ..files import atomic_write
from ..graph import read_onnx
from ..graph.layers import find_layers, keep_layers, pooled_layer
from ..image import read_image
from ..image.sheet import sheet
from ..runtime import Neighbour, extract, load, read_features
from ..spec import Shape
from . import progress, show
from .predict import find_pictures


@dataclass(frozen=True)
class Engines:
    """Where layers run: a network and options of the command, documented there."""

    model: str
    backend: str
    threads: int | None


def describe_layers(model: str) -> dict[str, str]:
    """Give the shape of each layer.

    Raises:
        BadFile, UnknownName: there is no such network.
    """
    graph = read_onnx(_network(model))
    return {value.name: _shape(value.shape) for value in keep_layers(graph, [*find_layers(graph)]).outputs}


def write_features(sources: Sequence[str], engines: Engines, layers: str, pool: bool, output: Path) -> dict[str, Any]:
    """Write what layers give for pictures; a broken picture is reported and left out.

    Returns:
        What stands in the file.

    Raises:
        BadFile: a source matches nothing, the network cannot be read, or the file not written.
        UnknownName: no such network or layer, or the file is to have another suffix than ``.npz``.
        BadValue: no picture can be read, there is too much, or the network does not say how pictures become its input.
    """
    if output.suffix != ".npz":
        raise UnknownName("format", output.suffix or output.name, [".npz"], "Features are written as numpy does.")
    network = _network(engines.model)
    names = layers.split(",") if layers else [pooled_layer(read_onnx(network))]
    pictures = {str(path): path for path in find_pictures(sources)}
    with load(network, engines.backend, engines.threads, layers=names) as net, progress.bar() as tell:
        found = extract(net, pictures, pool=pool or not layers, progress=tell, failed=_report)
    found.save(output)
    return {"file": str(output), **{layer: _shape(array.shape) for layer, array in found.layers.items()}}


def find_neighbours(picture: Path, features: Path, engines: Engines, count: int, page: Path | None) -> list[Neighbour]:
    """Name the pictures of a file of features that look most like a picture; draw them when a page is named.

    Raises:
        BadFile: a file cannot be read or written, or the features are those of another network.
        BadValue: the file holds several layers, or `count` is below 1.
    """
    known = read_features(features)
    with load(_network(engines.model), engines.backend, engines.threads, layers=[*known.layers]) as net:
        if net.fingerprint != known.network:
            raise BadFile(f"{features} holds features of another network than {engines.model}; extract them with it")
        found = known.nearest(extract(net, {str(picture): picture}, pool=True).vectors[0], count)
    if page is not None:
        shown = [picture, *(Path(neighbour.file) for neighbour in found)]
        texts = [picture.name, *(f"{n.similarity:.3f} {Path(n.file).name}" for n in found)]
        with atomic_write(page) as file:
            sheet(map(read_image, shown), texts).save(file, "JPEG", quality=90)
    return found


def show_layers(shapes: Mapping[str, str]) -> None:
    """Print layers with their shapes, one a line."""
    show.line(*(f"{shape:>22}  {layer}" for layer, shape in shapes.items()))


def show_neighbours(found: Sequence[Neighbour]) -> None:
    """Print neighbours, one a line."""
    show.line(*(f"{neighbour.similarity:6.3f}  {neighbour.file}" for neighbour in found))


def _network(model: str) -> Path | bytes:
    """Give the file of a network; one of the zoo, or a checkpoint, is folded and exported for it."""
    if model.lower().endswith(".onnx"):
        return Path(model)
    from .write import export_source

    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export_source(model, path)
        return path.read_bytes()


def _shape(shape: Shape) -> str:
    return " x ".join("any" if size is None else str(size) for size in shape)


def _report(name: str, error: UnderOneError) -> None:
    show.error(str(error) if name in str(error) else f"{name}: {error}")
