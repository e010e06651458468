"""A .mlpackage: a folder with a manifest, the model, and the file that its weights lie in."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import BadFile
from ..bounded import Reader, open_file
from ..protobuf import Message

_LARGEST_MANIFEST = 1 << 20
_LARGEST_MODEL = 1 << 27  # bytes without weights; MobileOne-S0 has 60 kB
_MODEL_PATH = "@model_path/"  # what names in a program begin with


@dataclass(frozen=True)
class Package:
    """What a package holds.

    Attributes:
        where: its path, for errors.
        model: the message that it is about.
        weights: gives a file beside the model by its name in a program.
    """

    where: str
    model: Message
    weights: Callable[[str], Reader]


def open_package(path: Path) -> Package:
    """Open a package, or a lone .mlmodel file.

    Raises:
        BadFile: no package, or a manifest or model that is damaged.
    """
    file = path if path.is_file() else _root(path)
    reader = open_file(file, _LARGEST_MODEL)
    opened: dict[str, Reader] = {}

    def weights(name: str) -> Reader:
        if name not in opened:
            opened[name] = open_file(_beside(file, name, path))
        return opened[name]

    return Package(str(path), Message(reader.data, str(file)), weights)


def _root(path: Path) -> Path:
    """Give the model that the manifest names."""
    where = path / "Manifest.json"
    try:
        manifest: Any = json.loads(bytes(open_file(where, _LARGEST_MANIFEST).data))
        inside = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(f"{where} names no model: {type(error).__name__} {error}") from error
    return _inside(path / "Data", inside, path)


def _beside(model: Path, name: str, package: Path) -> Path:
    if not name.startswith(_MODEL_PATH):
        raise BadFile(f"{package}: weights lie in {name!r}; a name that begins with {_MODEL_PATH!r} is required")
    return _inside(model.parent, name.removeprefix(_MODEL_PATH), package)


def _inside(folder: Path, name: Any, package: Path) -> Path:
    found = folder / PurePosixPath(str(name))
    if "\0" in str(name) or not found.resolve().is_relative_to(package.resolve()) or not found.is_file():
        raise BadFile(f"{package}: {str(name)!r} is no file of the package")
    return found
