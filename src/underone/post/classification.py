"""What a classifier says: class scores by name."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import BadValue, ShapeError
from ..image import Pixels, Planes, draw_classification, read_image
from ..image.draw import percent
from ..spec import ModelSpec, OutputSpec
from .save import save_answer

Array = NDArray[Any]


@dataclass(frozen=True)
class Label:
    """A class and its score.

    Attributes:
        index: position in the output vector; a background class stays at its own.
        name: of the class.
        score: from 0 to 1.
    """

    index: int
    name: str
    score: float

    def __str__(self) -> str:
        return f"{percent(self.score):>6}  {self.name}"


class Labels(list[Label]):
    """Labels, best first; printed one a line."""

    def __str__(self) -> str:
        return "\n".join(map(str, self))


@dataclass(frozen=True, eq=False)
class Classification:
    """What a classifier says about one picture.

    Attributes:
        scores: (classes,) float32, from 0 to 1, by index of the output vector.
        names: class names by index; None where the file has none.
        picture: the picture that was classified, uint8 (H, W, 3) RGB or the `Planes` of a frame, if at hand;
            not to be written to.
        speed: milliseconds of each stage: prepare, run, decode.
    """

    scores: NDArray[np.float32]
    names: tuple[str, ...] | None = None
    picture: Pixels | Planes | None = None
    speed: Mapping[str, float] = field(default_factory=dict)

    @property
    def label(self) -> Label:
        """The best class."""
        return self.top(1)[0]

    def top(self, k: int | None = None) -> Labels:
        """Return the best `k` classes, best first, at equal score the lower index first.

        Args:
            k: how many; None: five, or all where there are fewer.

        Raises:
            BadValue: k is below 1 or above the number of classes.
        """
        classes = len(self.scores)
        k = min(5, classes) if k is None else k
        if not 1 <= k <= classes:
            raise BadValue(f"top({k}) was asked; there are {classes} classes, so 1 to {classes} is required")
        best = np.argsort(-self.scores, kind="stable")[:k]
        return Labels(Label(int(i), self.name_of(int(i)), float(self.scores[i])) for i in best)

    def name_of(self, index: int) -> str:
        """Return the name of a class, or ``class 281`` where the file has no names."""
        return self.names[index] if self.names else f"class {index}"

    def draw(self, k: int | None = None) -> Image.Image:
        """Draw the best `k` classes under the picture, with bars for their scores.

        Raises:
            BadValue: the result was decoded without its picture, or `k` as in `top`.
        """
        if self.picture is None:
            raise BadValue("this result has no picture to draw on; classify(image) keeps it, decode(…, picture=…) too")
        return draw_classification(read_image(self.picture), [(label.name, label.score) for label in self.top(k)])

    def save(self, path: str | Path) -> Path:
        """Write the drawing, or for the suffix ``.json`` the numbers; an old file is replaced as a whole.

        Raises:
            BadValue: the suffix is of no picture format, or as `draw`.
            BadFile: the file cannot be written.
        """
        return save_answer(path, self.draw, self.to_json)

    def to_json(self, k: int | None = None) -> str:
        """Return the best `k` classes and the speed as JSON."""
        top = [asdict(label) for label in self.top(k)]
        return json.dumps({"task": "classify", "top": top, "speed_ms": dict(self.speed)}, ensure_ascii=False)

    def timed(self, speed: Mapping[str, float]) -> "Classification":
        """Return this result with the milliseconds of each stage."""
        return replace(self, speed=speed)

    def __str__(self) -> str:
        return str(self.top())

    def __repr__(self) -> str:
        best = self.label
        return f"<Classification {best.name} {best.score:.1%}, {len(self.scores)} classes>"


def softmax(logits: Array, axis: int = -1) -> Array:
    """Return the shares of 1 along an axis, in the logits' own number format; large logits do not overflow."""
    with np.errstate(over="ignore"):  # to minus infinity, whose share is 0
        shares: Array = np.exp(logits - logits.max(axis=axis, keepdims=True))
    shares /= shares.sum(axis=axis, keepdims=True)
    return shares


def decode_classification(
    outputs: Mapping[str, Array], spec: ModelSpec, picture: Pixels | Planes | None = None
) -> Classification:
    """Turn the outputs of a classifier for one picture into its answer; arguments and errors are those of `decode`."""
    output = _scoring(spec)
    values = outputs[output.name]
    if values.ndim < 2 or values.size != values.shape[1] or values.size == 0:
        raise ShapeError(
            f"output {output.name!r} has shape {values.shape}; (1, classes) is required, one picture at a time"
        )
    vector = values.reshape(-1)  # (1, classes, 1, 1) → (classes,)
    bad = int(np.count_nonzero(~np.isfinite(vector)))
    if bad:
        raise BadValue(
            f"{bad} of {vector.size} values of output {output.name!r} are NaN or infinite; check the weights"
        )
    spec.require_labels_for(vector.size)
    scores = softmax(vector.astype(np.float64)) if output.meaning == "logits" else vector
    return Classification(scores.astype(np.float32), spec.labels, picture)


def _scoring(spec: ModelSpec) -> OutputSpec:
    for output in spec.outputs:
        if output.meaning in ("logits", "probabilities"):
            return output
    raise BadValue(f"{spec.name!r} has no output that means 'logits' or 'probabilities'; set OutputSpec.meaning")
