"""Calibration pictures: found in a folder or given, prepared one by one as the network wants them."""

import logging
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from ..data.from_folder import pictures_below
from ..errors import BadFile, BadValue
from ..graph import Array
from ..image import Picture, prepare
from ..spec import InputSpec

log = logging.getLogger("underone")

Data = str | PathLike[str] | Sequence[Picture]


class Calibration:
    """Pictures that are read and prepared when they are asked for.

    Attributes:
        pictures: what `read_image` takes, each.
    """

    def __init__(self, pictures: Sequence[Picture], spec: InputSpec) -> None:
        self.pictures, self.spec = pictures, spec

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[Array]:
        for picture in self.pictures:
            yield prepare(picture, self.spec)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of what the network is given."""
        shape = next(iter(self)).shape
        return (shape[2], shape[3]) if self.spec.layout == "NCHW" else (shape[1], shape[2])

    def batch(self, count: int) -> Array:
        """Give some of them, spread over all, in one array (N, …)."""
        return np.concatenate([prepare(self.pictures[i], self.spec) for i in spread(len(self), count)])


def open_calibration(data: Data, spec: InputSpec, images: int) -> Calibration:
    """Choose pictures, and look at each once.

    Args:
        data: a folder, searched with all folders in it, or pictures.
        spec: input of the network.
        images: how many at the most; of more, as many spread over all, in the order of their names.

    Raises:
        BadFile: there is no picture, or none that can be read, or all of them are of one colour.
        BadValue: `images` is below 1, or the network does not say how pictures are prepared.
    """
    if images < 1:
        raise BadValue(f"images={images}; a whole number from 1 up is required")
    found = _listed(data)
    usable = list[Picture]()
    plain = 0
    for i in spread(len(found), images):
        try:
            prepared = prepare(found[i], spec)
        except BadFile as error:
            log.warning("left out: %s", error)
            continue
        plain += bool(np.ptp(prepared, axis=(2, 3) if spec.layout == "NCHW" else (1, 2)).max() == 0)
        usable.append(found[i])
    if not usable:
        raise BadFile(f"{_shown(data)}: not one calibration picture can be read")
    if plain == len(usable):
        raise BadFile(
            f"{_shown(data)}: all {plain} calibration pictures are of one colour, so nothing is learned from them; "
            "give photographs such as the network will see"
        )
    return Calibration(usable, spec)


def spread(total: int, count: int) -> list[int]:
    """Choose at most `count` numbers below `total`, evenly."""
    return [i * total // min(count, total) for i in range(min(count, total))]


def _listed(data: Data) -> Sequence[Picture]:
    if not isinstance(data, str | PathLike):
        found: Sequence[Picture] = data
    elif not Path(data).is_dir():
        raise BadFile(f"{data} is no folder; a folder with calibration pictures is required")
    else:
        found = pictures_below(Path(data))
    if not len(found):
        raise BadFile(
            f"{_shown(data)} holds no picture; some hundred photographs such as the network will see are required"
        )
    return found


def _shown(data: Data) -> str:
    return str(data) if isinstance(data, str | PathLike) else "the calibration data"
