"""A folder with one folder for each class."""

import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ..errors import BadFile, BadValue
from .pictures import FilePictures, columns


def from_folder(root: Path, classes: Sequence[str] | None = None) -> FilePictures:
    """List the pictures of ``root/CLASS/**/NAME``, in the order of their names.

    Args:
        root: folder of class folders; hidden files and folders are left out, as are files that are no pictures by
            their suffix.
        classes: names by class index; None: the folder names, sorted.

    Raises:
        BadFile: no such folder, no class folders, or one without a picture.
        BadValue: a class folder that `classes` does not name.
    """
    found = _class_folders(root)
    names = tuple(found if classes is None else classes)
    strange = sorted(set(found) - set(names))
    if strange:
        raise BadValue(
            f"{root} has the classes {strange[:5]}, which are not among the {len(names)}: {list(names)[:5]}…"
        )
    rows = []
    for name in found:
        paths = pictures_below(root / name)
        if not paths:
            raise BadFile(f"{root / name}: the class {name!r} has no picture; remove the folder or fill it")
        rows += [(os.path.relpath(path, root), names.index(name)) for path in paths]
    return FilePictures(root, *columns(rows), names)


def _class_folders(root: Path) -> list[str]:
    if not root.is_dir():
        raise BadFile(f"{root} is no folder; a folder with one folder for each class is required")
    found = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not found:
        raise BadFile(f"{root} has no class folders; ROOT/CLASS/picture.jpg is required")
    return found


def pictures_below(folder: Path) -> list[str]:
    """List the paths of the pictures below a folder, sorted; hidden files and folders are left out."""
    suffixes = Image.registered_extensions()
    found = []
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            os.path.join(at, name)  # noqa: PTH118  a million of them
            for name in files
            if os.path.splitext(name)[1].lower() in suffixes and not name.startswith(".")  # noqa: PTH122
        ]
    return sorted(found)
