"""Read a Core ML package: its constants, its labels, and its network."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from ...errors import BadFile, Unsupported
from ...graph.onnx_file import SPEC_KEY, with_borders
from ...spec import ModelSpec, Preparation
from ..bounded import Budget, Reader
from ..foreign_file import Cut, ForeignFile, Network
from ..protobuf import Message
from .network import build_network
from .package import Package, open_package
from .program import Program, read_program

_PROGRAM, _PIPELINE = 502, 202  # fields of Model
_COLORS: dict[int, Literal["GRAY", "RGB", "BGR"]] = {10: "GRAY", 20: "RGB", 30: "BGR"}  # ImageFeatureType.colorSpace


def read_coreml(path: Path | str) -> ForeignFile:
    """Read a .mlpackage that holds an ML Program, or a pipeline whose first model is one.

    Args:
        path: of the package, a folder.

    Raises:
        BadFile: no package, or a damaged one.
        Unsupported: it holds another kind of model.
    """
    package = open_package(Path(path))
    model = _first_model(package)
    budget = Budget(Reader(package.model.data, package.where))
    program = read_program(model.message(_PROGRAM), package, budget)
    description = package.model.message(2)
    preparations = {
        feature.text(1): preparation
        for feature in description.messages(1)
        if (preparation := _preparation(feature.message(3))) is not None
    }
    return ForeignFile(
        where=package.where,
        format="Core ML",
        tensors={o.name: v for o in program.operations if isinstance(v := o.attributes.get("val"), np.ndarray)},
        preparation=next(iter(preparations.values()), None),
        build=lambda cut: _network(package, program, preparations, cut),
    )


def metadata_of(package: Package) -> dict[str, str]:
    """Give what a package says about itself, by key."""
    return {e.text(1): e.text(2) for e in package.model.message(2).message(100).messages(100)}


def _first_model(package: Package) -> Message:
    model = package.model
    if model.has(_PIPELINE):
        model = next(model.message(_PIPELINE).messages(1), model)
    if not model.has(_PROGRAM):
        raise Unsupported(f"{package.where}: its model is no ML Program; other kinds of Core ML models are not read")
    return model


def _preparation(kind: Message) -> Preparation | None:
    """Say how Core ML gives a picture to a program: its bytes as numbers."""
    if not kind.has(4):
        return None
    image = kind.message(4)
    color = _COLORS.get(image.integer(3))
    if color is None:
        raise BadFile(f"{kind.where}, byte {image.offset}: a picture of color space {image.integer(3)}")
    channels = 1 if color == "GRAY" else 3
    return Preparation(color=color, range=(0, 255), mean=(0.0,) * channels, std=(1.0,) * channels)


def _network(package: Package, program: Program, preparations: dict[str, Preparation], cut: Cut) -> Network:
    text = metadata_of(package).get(SPEC_KEY)
    if text is None or cut.outputs:
        return build_network(program, package.where, Path(package.where).stem, preparations, cut)
    spec = ModelSpec.from_json(text, package.where)
    cut = replace(cut, outputs=tuple(o.name for o in spec.outputs))  # a classifier's dictionary repeats them
    graph, notes = build_network(program, package.where, spec.name, preparations, cut)
    return Network(replace(graph, spec=with_borders(spec, graph.inputs, graph.outputs)), notes)
