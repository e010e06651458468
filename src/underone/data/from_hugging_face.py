"""A data set of Hugging Face's library ``datasets``: one that is loaded already, or a folder that it saved."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadFile, BadValue, MissingExtra


class TablePictures:
    """Pictures of a `datasets.Dataset`.

    Args:
        table: with one image column and one label column.

    Attributes:
        classes: names by class index.
        targets: (n,) class indexes.

    Raises:
        BadValue: no such columns, or labels without names or numbers.
    """

    def __init__(self, table: Any) -> None:
        from datasets import ClassLabel, Image

        kinds = dict(table.features.items())
        images = [name for name, kind in kinds.items() if isinstance(kind, Image)]
        labels = [name for name, kind in kinds.items() if isinstance(kind, ClassLabel)]
        if len(images) != 1 or len(labels) != 1:
            raise BadValue(
                f"the data set has the image columns {images} and the class columns {labels}; one of each is required: "
                "remove_columns() and cast_column() choose them"
            )
        self._images = table.select_columns(images).cast_column(images[0], Image(decode=False))
        self._column = images[0]
        self.classes: tuple[str, ...] = tuple(kinds[labels[0]].names)
        self.targets: NDArray[np.int64] = np.asarray(table[labels[0]], np.int64)

    def __len__(self) -> int:
        return len(self.targets)

    def name(self, index: int) -> str:
        """Return the row, and the path where there is one."""
        path = self._images[index][self._column]["path"]
        return f"row {index}" + (f" ({path})" if path else "")

    def read(self, index: int) -> bytes:
        """Return the bytes of the picture's file."""
        cell = self._images[index][self._column]
        if cell["bytes"] is not None:
            return bytes(cell["bytes"])
        try:
            return Path(cell["path"]).read_bytes()
        except OSError as error:
            raise BadFile(f"{self.name(index)} cannot be read: {error.strerror}") from error


def from_hugging_face(source: Any) -> TablePictures:
    """Read a `datasets.Dataset`, or the folder that its `save_to_disk` wrote. Nothing is downloaded.

    Raises:
        BadFile: the folder holds no such data set.
        BadValue: as `TablePictures`.
        MissingExtra: `datasets` is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra("a Hugging Face data set", "datasets", "data") from error
    if not isinstance(source, datasets.Dataset):
        try:
            source = datasets.load_from_disk(str(source))
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:  # what damaged JSON gives
            raise BadFile(f"{source} is no saved data set: {error}") from error
    if not isinstance(source, datasets.Dataset):
        raise BadValue(f"a {type(source).__name__} was given; one split of it is required, such as ['train']")
    return TablePictures(source)
