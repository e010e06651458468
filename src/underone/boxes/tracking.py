"""The same object in one frame and the next, by the overlap of its boxes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadValue, ShapeError
from .matching import iou


class Tracker:
    """Gives each object a number that it keeps from frame to frame.

    An object is the one of its class that it overlaps most, the pairs with the largest overlap first. One that is not
    found keeps its number for some frames, at the place where it was last.

    Args:
        overlap: intersection over union from which on two boxes are one object, above 0, up to 1.
        patience: frames in a row that an object may be missing.

    Raises:
        BadValue: an argument outside these.

    >>> tracker = Tracker()
    >>> tracker.update([[0, 0, 10, 10], [20, 0, 30, 10]], [1, 1])
    array([1, 2])
    >>> tracker.update([[21, 0, 31, 10]], [1])
    array([2])
    """

    def __init__(self, overlap: float = 0.3, patience: int = 10) -> None:
        if not 0 < overlap <= 1 or patience < 0:
            raise BadValue(f"overlap={overlap}, patience={patience}; above 0 to 1, and 0 or more, are required")
        self._overlap, self._patience = overlap, patience
        self._boxes = np.zeros((0, 4), np.float32)
        self._classes, self._numbers, self._missing = (np.zeros(0, np.int64) for _ in range(3))
        self._last = 0

    def update(self, boxes: ArrayLike, class_ids: ArrayLike) -> NDArray[np.int64]:
        """Take the objects of the next frame.

        Args:
            boxes: (N, 4) x1 y1 x2 y2, any unit.
            class_ids: (N,).

        Returns:
            (N,) the numbers of the objects, from 1.

        Raises:
            ShapeError: boxes are not (N, 4), or there are not as many class ids.
        """
        boxes, classes = np.asarray(boxes, np.float32), np.asarray(class_ids, np.int64)
        boxes = boxes.reshape(0, 4) if not boxes.size else boxes
        if boxes.shape != (*classes.shape, 4) or classes.ndim != 1:
            raise ShapeError(f"boxes {boxes.shape} with class_ids {classes.shape}; (N, 4) with (N,) is required")
        before = self._pairs(boxes, classes)
        new = before < 0
        numbers = np.where(new, self._last + np.cumsum(new), self._numbers[before] if len(self._numbers) else 0)
        self._last += int(new.sum())
        self._remember(boxes, classes, numbers)
        return numbers

    def _pairs(self, boxes: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
        """Return for each box the place of its object among the remembered ones; -1: it is new."""
        found = np.full(len(boxes), -1, np.int64)
        overlap = iou(boxes, self._boxes) * (classes[:, None] == self._classes[None])
        while overlap.size and overlap.max() >= self._overlap:
            box, known = np.unravel_index(overlap.argmax(), overlap.shape)
            found[box] = known
            overlap[box], overlap[:, known] = 0, 0
        return found

    def _remember(self, boxes: NDArray[Any], classes: NDArray[Any], numbers: NDArray[Any]) -> None:
        waiting = ~np.isin(self._numbers, numbers) & (self._missing < self._patience)
        self._missing = np.concatenate((np.zeros(len(boxes), np.int64), self._missing[waiting] + 1))
        self._boxes = np.concatenate((boxes, self._boxes[waiting]))
        self._classes = np.concatenate((classes, self._classes[waiting]))
        self._numbers = np.concatenate((numbers, self._numbers[waiting]))
