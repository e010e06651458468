"""An answer into a file: its drawing, or its numbers."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from ..errors import BadValue
from ..files import atomic_write


def save_answer(path: str | Path, draw: Callable[[], Image.Image], to_json: Callable[[], str]) -> Path:
    """Write the drawing, or for the suffix ``.json`` the numbers; an old file is replaced as a whole.

    Raises:
        BadValue: the suffix is of no picture format, or as `draw`.
        BadFile: the file cannot be written.
    """
    path = Path(path)
    known = Image.registered_extensions()
    if path.suffix.lower() != ".json" and known.get(path.suffix.lower()) not in Image.SAVE:
        raise BadValue(f"{path}: the suffix {path.suffix!r} names no picture format; use .png, .jpg, .webp or .json")
    with atomic_write(path) as temporary:
        if path.suffix.lower() == ".json":
            temporary.write_text(to_json() + "\n", "utf-8")
        else:
            draw().save(temporary)
    return path
