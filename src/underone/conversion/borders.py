"""What the caller says where a file is silent: the names of the classes, the size of the pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from torch import nn

from ..errors import BadValue
from ..models.detectors import is_detector
from ..models.picture_size import picture_size
from ..models.segmenters import is_segmenter
from ..spec import ModelSpec
from ..weights import Checkpoint
from ..zoo import create_model

_SMALLEST = 32  # pixels: a classifier's last map has one


class Borders(NamedTuple):
    """Names and size, if the caller gives any.

    Attributes:
        labels: class names; () for those that the file or its source has.
        size: height and width of the pictures in pixels, or one number for both; None: as the network has it.
    """

    labels: Sequence[str] = ()
    size: int | tuple[int, int] | None = None

    def named(self, spec: ModelSpec) -> ModelSpec:
        """Return the spec with the labels in it.

        Raises:
            BadValue: there are more or fewer classes, or none.
        """
        if not self.labels:
            return spec
        if isinstance(self.labels, str) or len(self.labels) != spec.classes:
            known = "no output that is known to hold classes" if spec.classes is None else f"{spec.classes} classes"
            raise BadValue(
                f"labels: {len(self.labels)} names; {spec.name!r} has {known}: give a list of as many, or none"
            )
        return spec.model_copy(update={"labels": tuple(self.labels)})

    def refuse_size(self, source: Path) -> None:
        """Do nothing without a size.

        Raises:
            BadValue: the file holds a network, whose pictures have its size.
        """
        if self.size is not None:
            raise BadValue(f"size={self.size}: {source} holds a network, which has a size of its own; leave it out")

    def create(self, name: str, checkpoint: Checkpoint, **options: Any) -> nn.Module:
        """Create a network of the zoo, in eval mode; the options are those of `create_model`.

        Raises:
            BadValue: the size or the labels do not fit, or the weights are not the network's.
            WeightsMismatch: the weights are not the network's.
        """
        sized = self.size is not None and (is_detector(name) or is_segmenter(name))
        if sized:
            options["size"] = self.size
        model = create_model(name, weights=checkpoint, **options).eval()
        spec = self.named(cast(ModelSpec, model.spec))
        if self.size is not None and not sized:
            shape = (*spec.input.shape[:2], *picture_size(self.size, _SMALLEST))
            spec = spec.model_copy(update={"inputs": (spec.input.model_copy(update={"shape": shape}),)})
        model.spec = spec  # type: ignore[assignment]
        return model
