"""The packaged photographs: real pictures for certificates, checks and the demo, each with its credit."""

import csv
import io
from dataclasses import dataclass
from importlib.resources import files

from ..errors import UnknownName
from .read import Pixels, read_image

_FOLDER = files(__package__) / "photos"


@dataclass(frozen=True)
class Photograph:
    """A packaged photograph.

    Attributes:
        name: file name.
        credit: author and licence, in the form to print beside the picture.
        source: address of the original.
        imagenet_index: its class, 0 to 999.
        imagenet_name: the name of that class.
    """

    name: str
    credit: str
    source: str
    imagenet_index: int
    imagenet_name: str

    @property
    def content(self) -> bytes:
        """The bytes of the JPEG file, as `read_image` and `classify` take them."""
        return (_FOLDER / self.name).read_bytes()


def photographs() -> list[Photograph]:
    """List the packaged photographs."""
    table = csv.DictReader(io.StringIO((_FOLDER / "credits.csv").read_text("utf-8")))
    return [
        Photograph(
            row["file"],
            f"{row['author']}, {row['licence']}",
            row["source"],
            int(row["imagenet_index"]),
            row["imagenet_name"],
        )
        for row in table
    ]


def photograph(name: str = "giant_panda.jpg") -> Pixels:
    """Return a packaged photograph, uint8 (H, W, 3) RGB.

    Raises:
        UnknownName: no photograph of that name is packaged.

    >>> photograph().shape
    (532, 800, 3)
    """
    known = {p.name: p for p in photographs()}
    if name not in known:
        raise UnknownName("photograph", name, known)
    return read_image(known[name].content)
