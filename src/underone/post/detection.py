"""What a detector says: boxes in the pixels of the picture, with classes and scores."""

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..boxes import Tracker
from ..errors import BadValue, MissingExtra
from ..image import Pixels, Planes, draw_boxes, read_image, region_seen
from ..image.draw import percent
from ..spec import ModelSpec
from .find import find_boxes
from .save import save_answer


@dataclass(frozen=True, eq=False)
class Detection:
    """What a detector found in one picture, best first.

    Attributes:
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the picture, inside it.
        scores: (N,) float32, from 0 to 1.
        class_ids: (N,) int64; "no object" has none.
        names: class names by id; None where the file has none.
        picture: the picture, uint8 (H, W, 3) RGB or the `Planes` of a frame, if at hand;
            not to be written to.
        speed: milliseconds of each stage: prepare, run, decode.
        numbers: (N,) of each object, kept from frame to frame of a video; None: nobody followed them.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    names: tuple[str, ...] | None = None
    picture: Pixels | Planes | None = None
    speed: Mapping[str, float] = field(default_factory=dict)
    numbers: NDArray[np.int64] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The class name of each box, or ``class 3`` where the file has no names."""
        return tuple(self.names[i] if self.names else f"class {i}" for i in self.class_ids)

    def top(self, k: int | None = None) -> "Detection":
        """Return the best `k` objects, all where there are fewer; None: all.

        Raises:
            BadValue: k is below 0.
        """
        if k is not None and k < 0:
            raise BadValue(f"top({k}) was asked; 0 or more is required")
        numbers = None if self.numbers is None else self.numbers[:k]
        return replace(
            self, boxes=self.boxes[:k], scores=self.scores[:k], class_ids=self.class_ids[:k], numbers=numbers
        )

    def followed(self, tracker: Tracker) -> "Detection":
        """Return this result with the numbers that a tracker gives its objects, which it knows from earlier frames."""
        return replace(self, numbers=tracker.update(self.boxes, self.class_ids))

    def draw(self, k: int | None = None) -> Image.Image:
        """Draw the best `k` objects on the picture, in the colours of their numbers, or of their classes.

        Raises:
            BadValue: the result was decoded without its picture, or `k` as in `top`.
        """
        if self.picture is None:
            raise BadValue("this result has no picture to draw on; detect(image) keeps it, decode(…, picture=…) too")
        best = self.top(k)
        names, colors = best.labels, best.class_ids.tolist()
        if best.numbers is not None:
            colors = best.numbers.tolist()
            names = tuple(f"{name} #{number}" for name, number in zip(names, colors, strict=True))
        return draw_boxes(read_image(self.picture), best.boxes, names, best.scores.tolist(), colors)

    def save(self, path: str | Path) -> Path:
        """Write the drawing, or for the suffix ``.json`` the numbers; an old file is replaced as a whole.

        Raises:
            BadValue: the suffix is of no picture format, or as `draw`.
            BadFile: the file cannot be written.
        """
        return save_answer(path, self.draw, self.to_json)

    def to_json(self, k: int | None = None) -> str:
        """Return the best `k` objects and the speed as JSON; boxes are x1 y1 x2 y2 in pixels."""
        best = self.top(k)
        rows = zip(best.class_ids.tolist(), best.labels, best.scores.tolist(), best.boxes.tolist(), strict=True)
        objects = [{"class_id": c, "name": n, "score": s, "box": b} for c, n, s, b in rows]
        if best.numbers is not None:
            objects = [o | {"number": n} for o, n in zip(objects, best.numbers.tolist(), strict=True)]
        return json.dumps({"task": "detect", "objects": objects, "speed_ms": dict(self.speed)}, ensure_ascii=False)

    def to_coco(self, image_id: int = 0, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a COCO results file.

        Args:
            image_id: of the picture in the data set.
            category_ids: of the data set, by class id; None: class id + 1, as COCO counts from 1.

        Raises:
            BadValue: a found class has no category id.
        """
        most = int(self.class_ids.max(initial=-1))
        if category_ids is not None and most >= len(category_ids):
            raise BadValue(f"{len(category_ids)} category_ids, but class {most} was found; one for each is required")
        ids = [int(c) + 1 if category_ids is None else int(category_ids[c]) for c in self.class_ids]
        return [
            {"image_id": image_id, "category_id": i, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
            for i, (x1, y1, x2, y2), score in zip(ids, self.boxes.tolist(), self.scores.tolist(), strict=True)
        ]

    def to_supervision(self) -> Any:
        """Return the objects as `supervision.Detections`, with the names under ``data["class_name"]``.

        Raises:
            MissingExtra: it is not installed.
        """
        try:
            supervision = importlib.import_module("supervision")
        except ImportError as error:
            raise MissingExtra("to_supervision()", "supervision", "supervision") from error
        return supervision.Detections(
            xyxy=self.boxes,
            confidence=self.scores,
            class_id=self.class_ids,
            data={"class_name": np.array(self.labels, dtype=str)},
        )

    def timed(self, speed: Mapping[str, float]) -> "Detection":
        """Return this result with the milliseconds of each stage."""
        return replace(self, speed=speed)

    def __len__(self) -> int:
        return len(self.scores)

    def __str__(self) -> str:
        if not len(self):
            return "nothing found"
        rows = zip(self.labels, self.scores.tolist(), self.boxes.round().astype(int).tolist(), strict=True)
        return "\n".join(f"{percent(score):>6}  {name}  {x1},{y1} {x2},{y2}" for name, score, (x1, y1, x2, y2) in rows)

    def __repr__(self) -> str:
        return f"<Detection {len(self)} objects>"


def decode_detection(
    outputs: Mapping[str, NDArray[Any]],
    spec: ModelSpec,
    picture: Pixels | Planes | None = None,
    threshold: float | None = None,
    *,
    size: tuple[int, int] | None = None,
) -> Detection:
    """Turn the outputs of a detector for one picture into its answer.

    Args:
        outputs: by name, as `find_boxes` takes them.
        spec: of the network.
        picture: what the network saw, uint8 (H, W, 3) RGB or `Planes`, to be drawn on.
        threshold: a box counts from this score on; None: as the spec says.
        size: (height, width) of the picture in pixels, where it is not at hand.

    Raises:
        BadValue: neither picture nor size is given, or as `find_boxes`.
        ShapeError: as `find_boxes`.
    """
    if picture is None and size is None:
        raise BadValue("the boxes are shares of the picture; pass the picture, or its size=(height, width) in pixels")
    found = find_boxes(outputs, spec, threshold)
    pixels = picture.shape[:2] if picture is not None else size
    return Detection(_in_pixels(found.boxes, spec, pixels), found.scores, found.class_ids, spec.labels, picture)


def _in_pixels(boxes: NDArray[np.float32], spec: ModelSpec, picture: Any) -> NDArray[np.float32]:
    """Turn shares of what the network saw into pixels of the picture."""
    height, width = picture
    seen = (0.0, 0.0, width, height)
    if spec.inputs and spec.input.preparation is not None:
        seen = region_seen((height, width), spec.input)
    left, top, across, down = seen
    pixels = boxes * np.array([across, down, across, down]) + np.array([left, top, left, top])
    inside: NDArray[np.float32] = np.clip(pixels, 0, (width, height, width, height)).astype(np.float32)
    return inside
