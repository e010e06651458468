"""The size of the pictures that a detector or segmenter is built for."""

from typing import Any

from ..errors import BadValue


def picture_size(given: Any, smallest: int) -> tuple[int, int]:
    """Return (height, width) in pixels of one number or of two.

    Raises:
        BadValue: something else, or fewer than `smallest` pixels.
    """
    sizes = (given, given) if isinstance(given, int) else given
    valid = isinstance(sizes, tuple | list) and len(sizes) == 2
    if not valid or not all(isinstance(n, int) and n >= smallest for n in sizes):
        raise BadValue(f"size={given!r}; (height, width) in pixels, each {smallest} or more, is required")
    return sizes[0], sizes[1]
