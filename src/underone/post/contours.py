"""The borders of areas, as polygons along the edges of pixels."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

Point = tuple[int, int]


def contours_of(area: NDArray[np.bool_]) -> list[NDArray[np.int32]]:
    """Trace the borders of an area.

    Args:
        area: (H, W), True inside.

    Returns:
        Closed polygons, (N, 2) x y of the corners of pixels, 0 to W and 0 to H; outer borders run clockwise on the
        screen, those of holes the other way. Pixels that only touch at a corner are apart. Together they enclose
        exactly the area.
    """
    after = _edges(area)
    found = []
    while after:
        start = next(iter(after))
        found.append(_trace(start, after))
    return found


def _edges(area: NDArray[np.bool_]) -> dict[Point, list[Point]]:
    """Give for each corner of pixels those that follow it, so that the area is on the right."""
    inside = np.pad(area, 1).astype(np.int8)
    across, down = np.diff(inside, axis=0)[:, 1:-1], np.diff(inside, axis=1)[1:-1]  # (H + 1, W), (H, W + 1)
    after: dict[Point, list[Point]] = defaultdict(list)
    for edges, forward, horizontal in ((across, 1, True), (down, -1, False)):
        for sign in (1, -1):
            ys, xs = np.nonzero(edges == sign)
            step = forward * sign
            for y, x in zip(ys.tolist(), xs.tolist(), strict=True):
                one, other = (x, y), (x + 1, y) if horizontal else (x, y + 1)
                if step > 0:
                    after[one].append(other)
                else:
                    after[other].append(one)
    return dict(after)


def _trace(start: Point, after: dict[Point, list[Point]]) -> NDArray[np.int32]:
    """Follow a border back to its start, taking its edges out; corners on a straight line are left out."""
    path, here, came = [start], start, None
    while True:
        there = _next(here, came, after)
        came = (there[0] - here[0], there[1] - here[1])
        here = there
        if here == start:
            break
        path.append(here)
    points = np.array(path, np.int32)
    turns = np.any((points - np.roll(points, 1, 0)) != (np.roll(points, -1, 0) - points), 1)
    corners: NDArray[np.int32] = points[turns]
    return corners


def _next(here: Point, came: Point | None, after: dict[Point, list[Point]]) -> Point:
    """Take the edge that goes on; where two pixels touch at a corner, turn right, round the same pixel."""
    choices = after[here]
    right = None if came is None else (here[0] - came[1], here[1] + came[0])
    there = right if right in choices else choices[0]
    choices.remove(there)
    if not choices:
        del after[here]
    return there
