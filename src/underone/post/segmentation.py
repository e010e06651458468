"""What a segmenter says: the class of each pixel of the picture."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import BadValue, ShapeError
from ..files import atomic_write
from ..image import Pixels, Planes, draw_mask, indexed_mask, overlay_mask, read_image
from ..image.draw import percent
from ..spec import ModelSpec, OutputSpec, SegmentationSpec
from .contours import contours_of
from .label_map import enlarge_classes, nearest_classes
from .save import save_answer

_COUNTED = 1 << 20  # pixels that are counted at a time
_MOST_CLASSES = 1 << 16  # of a label map without labels: the pixels of each are counted

Array = NDArray[Any]


class Area(NamedTuple):
    """How much of a picture one class has.

    Attributes:
        class_id: of the class.
        name: of the class.
        pixels: number of its pixels.
        share: of the picture, from 0 to 1.
    """

    class_id: int
    name: str
    pixels: int
    share: float


class Areas(tuple[Area, ...]):
    """Areas, the largest first; printed one a line."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(f"{percent(area.share):>6}  {area.name}" for area in self)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The class of each pixel of one picture.

    Attributes:
        mask: (H, W) uint8, int32 beyond 256 classes: the class of each pixel.
        names: class names by class; None where the file has none.
        background: class that is nothing in particular; drawings leave it as it is. None: there is none.
        picture: the picture, uint8 (H, W, 3) RGB or the `Planes` of a frame, if at hand;
            not to be written to.
        speed: milliseconds of each stage: prepare, run, decode.
    """

    mask: Array
    names: tuple[str, ...] | None = None
    background: int | None = None
    picture: Pixels | Planes | None = None
    speed: Mapping[str, float] = field(default_factory=dict)

    @property
    def areas(self) -> "Areas":
        """The classes in the picture, the largest first."""
        counts = _counts(self.mask)
        order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]
        return Areas(Area(i, self.name_of(i), int(counts[i]), float(counts[i] / self.mask.size)) for i in order)

    def top(self, k: int | None = None) -> "Areas":
        """Return the `k` largest areas, all where there are fewer; None: all.

        Raises:
            BadValue: k is below 0.
        """
        if k is not None and k < 0:
            raise BadValue(f"top({k}) was asked; 0 or more is required")
        return Areas(self.areas[:k])

    def name_of(self, class_id: int) -> str:
        """Return the name of a class, or ``class 3`` where the file has no names."""
        return self.names[class_id] if self.names else f"class {class_id}"

    def contours(self, class_id: int) -> list[NDArray[np.int32]]:
        """Return the borders of a class as closed polygons, (N, 2) x y of corners of pixels.

        Outer borders run clockwise, those of holes the other way; together they enclose exactly the area.
        """
        return contours_of(self.mask == class_id)

    def overlay(self) -> Image.Image:
        """Lay the colour of its class over each pixel of the picture; a class has one colour in all pictures.

        Raises:
            BadValue: the result was decoded without its picture.
        """
        return overlay_mask(self._picture, self.mask, self.background)

    def draw(self, k: int | None = None) -> Image.Image:
        """Lay the colours over the picture, and name the `k` largest areas below it, the background left out.

        Raises:
            BadValue: the result was decoded without its picture, or `k` as in `top`.
        """
        shown = [(area.class_id, f"{area.name} {percent(area.share)}") for area in self.top(k)]
        return draw_mask(self._picture, self.mask, [a for a in shown if a[0] != self.background], self.background)

    def save(self, path: str | Path) -> Path:
        """Write the drawing, or for the suffix ``.json`` the numbers; an old file is replaced as a whole.

        Raises:
            BadValue: the suffix is of no picture format, or as `draw`.
            BadFile: the file cannot be written.
        """
        return save_answer(path, self.draw, self.to_json)

    def save_mask(self, path: str | Path) -> Path:
        """Write the mask as a PNG with a palette, whose values are the classes.

        Raises:
            BadValue: another suffix than .png, or classes from 256 up, which such a file cannot hold.
            BadFile: the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".png" or self.mask.dtype != np.uint8:
            raise BadValue(f"{path}: masks are written as .png, with classes below 256; this one is {self.mask.dtype}")
        with atomic_write(path) as temporary:
            indexed_mask(self.mask).save(temporary, "PNG")
        return path

    def to_json(self, k: int | None = None) -> str:
        """Return the `k` largest areas, the size of the picture and the speed as JSON."""
        answer = {
            "task": "segment",
            "height": self.mask.shape[0],
            "width": self.mask.shape[1],
            "areas": [area._asdict() for area in self.top(k)],
            "speed_ms": dict(self.speed),
        }
        return json.dumps(answer, ensure_ascii=False)

    def timed(self, speed: Mapping[str, float]) -> "Segmentation":
        """Return this result with the milliseconds of each stage."""
        return replace(self, speed=speed)

    @property
    def _picture(self) -> Pixels:
        if self.picture is None:
            raise BadValue("this result has no picture to draw on; segment(image) keeps it, decode(…, picture=…) too")
        return read_image(self.picture)

    def __str__(self) -> str:
        return str(self.areas)

    def __repr__(self) -> str:
        height, width = self.mask.shape
        return f"<Segmentation {width} x {height}, {len(self.areas)} classes>"


def _counts(mask: Array) -> Array:
    """Count the pixels of each class, (classes,); in blocks, since numpy makes 8 bytes of each that it counts."""
    classes, rows = int(mask.max()) + 1, max(1, _COUNTED // mask.shape[1])
    blocks = (mask[start : start + rows].reshape(-1) for start in range(0, len(mask), rows))
    return np.asarray(sum(np.bincount(block, minlength=classes) for block in blocks))


def decode_segmentation(
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    picture: Pixels | Planes | None = None,
    *,
    size: tuple[int, int] | None = None,
    seen: tuple[int, int] | None = None,
) -> Segmentation:
    """Turn the outputs of a segmenter for one picture into the class of each of its pixels.

    Args:
        outputs: by name: logits or probabilities (1, classes, h, w), which are enlarged bilinearly; or a label map
            (1, h, w), of which each pixel takes the nearest point.
        spec: of the network.
        picture: what the network saw, uint8 (H, W, 3) RGB or `Planes`, to be drawn on.
        size: (height, width) of the picture in pixels, where it is not at hand.
        seen: (height, width) of the tensor that the network got, where that is not what its spec says.

    Raises:
        BadValue: the spec says too little, a value is NaN or no class, there are other labels than classes, or neither
            picture nor size is given.
        ShapeError: an output is not of one picture, or has another shape than a map.
    """
    if picture is None and size is None:
        raise BadValue("the mask has the size of the picture; pass the picture, or its size=(height, width) in pixels")
    pixels = picture.shape[:2] if picture is not None else size
    height, width = int(pixels[0]), int(pixels[1])  # type: ignore[index]
    output, how = _meaning(spec), spec.segmentation or SegmentationSpec()
    seen = _seen(spec, (height, width), seen)
    if output.meaning == "label_map":
        mask = nearest_classes(_label_map(outputs[output.name], spec), (height, width), seen, how.alignment)
    else:
        mask = enlarge_classes(_class_maps(outputs[output.name], spec), (height, width), seen, how.alignment)
    return Segmentation(mask, spec.labels, how.background, picture)


def _meaning(spec: ModelSpec) -> OutputSpec:
    for output in spec.outputs:
        if output.meaning in ("logits", "probabilities", "label_map"):
            return output
    raise BadValue(f"{spec.name!r} has no output that means classes; set OutputSpec.meaning, for example to 'logits'")


def _seen(spec: ModelSpec, picture: tuple[int, int], given: tuple[int, int] | None) -> tuple[int, int]:
    """Return the size of the tensor that the network got; that of the picture where nothing says another."""
    if not spec.inputs or len(spec.input.shape) != 4:
        return given or picture
    how = spec.input.preparation
    if how is not None and how.resize != "squeeze":
        raise BadValue(
            f"{spec.name!r} cuts pictures (resize={how.resize!r}), so it has no class for the rest; segmenters need "
            "resize='squeeze'"
        )
    usual = given or (how.size if how is not None else None) or picture
    height, width = spec.input.size
    return height or usual[0], width or usual[1]


def _class_maps(values: Array, spec: ModelSpec) -> Array:
    if values.ndim != 4 or len(values) != 1 or 0 in values.shape:
        raise ShapeError(f"{spec.name!r} gives {values.shape}; (1, classes, h, w) is required, one picture at a time")
    spec.require_labels_for(values.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        is_suspect = not np.isfinite(values.sum())  # one quick pass; large values may also add up to infinity
    bad = int(np.count_nonzero(~np.isfinite(values))) if is_suspect else 0
    if bad:
        raise BadValue(f"{bad} of {values.size} class outputs of {spec.name!r} are NaN or infinite; check the weights")
    return np.asarray(values[0])


def _label_map(values: Array, spec: ModelSpec) -> Array:
    classes = values.reshape(values.shape[0], *values.shape[-2:]) if values.ndim == 4 else values  # (1, 1, h, w)
    if classes.ndim != 3 or len(classes) != 1 or classes.size == 0:
        raise ShapeError(f"{spec.name!r} gives {values.shape}; (1, h, w) is required, one picture at a time")
    least, most = float(classes.min()), float(classes.max())
    limit = len(spec.labels) if spec.labels else _MOST_CLASSES
    if least < 0 or not most < limit:
        raise BadValue(f"{spec.name!r} gives classes from {least:g} to {most:g}; 0 to {limit - 1} is required")
    return np.asarray(classes[0].astype(np.uint8 if most < 256 else np.int32))
