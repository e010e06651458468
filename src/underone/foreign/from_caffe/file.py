"""read_caffe: weights and network of one or two files as a ForeignFile."""

from pathlib import Path

from ...errors import Unsupported
from ...spec import Preparation
from ..foreign_file import ForeignFile
from .caffemodel import read_caffemodel
from .config import network_of
from .fields import Fields
from .network import build_network
from .prototxt import read_prototxt


def read_caffe(path: Path, prototxt: Path | None = None) -> ForeignFile:
    """Read a Caffe network.

    The network is the one of the text file, where there is one, for the binary file states the one that was trained.
    Tensors are named "layer/index", in Caffe's layout.

    Args:
        path: a `.caffemodel`, or a `.prototxt` with a `.caffemodel` of the same name beside it.
        prototxt: the text file; by default `<name>.prototxt`, `deploy.prototxt` or the only one in the same folder.

    Raises:
        BadFile: a file is damaged, hostile, or not what its name says.
        Unsupported: a `.prototxt` alone, or layers in a notation of before 2013.
    """
    if "prototxt" in path.name:
        path, prototxt = _weights_beside(path), path
    prototxt = prototxt or _text_beside(path)
    model = read_caffemodel(path)
    root = read_prototxt(prototxt) if prototxt else model.net
    tensors = {f"{layer}/{i}": array for layer, arrays in model.arrays.items() for i, array in enumerate(arrays)}
    preparation = _preparation(model.net) or _preparation(root)
    notes = (f"the network is the one of {prototxt.name}",) if prototxt else ()
    where = str(prototxt or path)
    build = lambda cut: build_network(network_of(root), model.arrays, where, preparation, cut)  # noqa: E731
    return ForeignFile(str(path), "Caffe", tensors, preparation=preparation, notes=notes, build=build)


def _text_beside(path: Path) -> Path | None:
    """Find the text file of a binary one: of its name, the one to deploy, or the only one."""
    found = sorted(p for p in path.parent.glob("*.prototxt*") if p.is_file())
    named = [p for p in found if p.name.startswith(f"{path.stem}.")]
    deployed = [p for p in found if p.name.startswith("deploy.prototxt")]
    return next(iter(named or deployed or (found if len(found) == 1 else ())), None)


def _weights_beside(path: Path) -> Path:
    found = sorted(path.parent.glob("*.caffemodel"))
    named = [p for p in found if p.stem == path.name.partition(".prototxt")[0]]
    if not named and len(found) != 1:
        raise Unsupported(f"{path} is a network without weights; put its .caffemodel of the same name beside it")
    return (named or found)[0]


def _preparation(root: Fields) -> Preparation | None:
    """Give how pictures were prepared, where a layer that reads them says it: mean and scale, in BGR.

    Source: Caffe, data_transformer.cpp: (picture - mean) * scale, pictures as OpenCV reads them.
    """
    for layer in root.each("layer") + root.each("layers"):
        param = layer.fields("transform_param")
        mean, scale = param.numbers("mean_value"), param.number("scale", 1.0)
        if ("mean_value" in param or "scale" in param) and scale > 0 and len(mean) in (0, 1, 3):
            means = tuple(mean * 3 if len(mean) == 1 else mean) or (0.0, 0.0, 0.0)
            return Preparation(color="BGR", resize="squeeze", range=(0.0, 255.0), mean=means, std=(1 / scale,) * 3)
    return None
