"""ModelSpec: what a network takes, gives and is, in one JSON that travels inside every file we write."""

import json
from typing import Literal

from ..errors import BadValue
from .detection import DetectionSpec
from .record import Frozen, read_record
from .segmentation import SegmentationSpec
from .tensors import InputSpec, OutputSpec

SPEC_VERSION = (1, 1)  # major: readers must refuse; minor: fields were added


class Published(Frozen):
    """Figures that somebody else published; never our own measurements.

    Attributes:
        source: who published them, and what they count.
        params: number of weights.
        macs: multiply-accumulates for one picture of the published size, 224 x 224 for the whole zoo.
        top1: accuracy on the validation pictures of ImageNet-1k, in percent.
        top5: the same for the best five answers.
    """

    source: str
    params: int | None = None
    macs: int | None = None
    top1: float | None = None
    top5: float | None = None


class ModelSpec(Frozen):
    """Everything about a network that is not in its weights.

    Attributes:
        spec_version: "major.minor" of this record's form.
        task: what the outputs answer; None: unknown, names and shapes only.
        form: ``training`` (branches and batch norms) or ``folded``; None: unknown.
        inputs: input tensors in the order of the file.
        outputs: output tensors in the order of the file.
        labels: class names by index of the output vector; a background class stays at its index. Of a detector: by
            class id, where the background is left out.
        padding: rule of strided convolutions: ``symmetric`` (PyTorch), ``tf_same`` (by run-time size) or ``keras``
            (below and right only).
        bn_eps: epsilon of the batch norms, also after they are folded.
        detection: how the outputs of a detector become boxes; None for other tasks.
        segmentation: how the outputs of a segmenter become a class for each pixel; None for other tasks.
        weights: where the weights come from, for example ``torchvision_in1k``, ``torchvision_in1k, new head`` where
            the classifier on top of them is untrained, or ``random``.
        published: of these weights; None for random ones and for those of a file that does not say.
    """

    spec_version: str = "{}.{}".format(*SPEC_VERSION)
    name: str = "unnamed"
    task: Literal["classify", "detect", "segment", "features"] | None = None
    form: Literal["training", "folded"] | None = None
    inputs: tuple[InputSpec, ...] = ()
    outputs: tuple[OutputSpec, ...] = ()
    labels: tuple[str, ...] | None = None
    padding: Literal["symmetric", "tf_same", "keras"] | None = None
    bn_eps: float | None = None
    detection: DetectionSpec | None = None
    segmentation: SegmentationSpec | None = None
    weights: str | None = None
    source: str | None = None
    licence: str | None = None
    published: Published | None = None

    @property
    def input(self) -> InputSpec:
        """The first input, the only one of every network of the zoo."""
        return self.inputs[0]

    @property
    def classes(self) -> int | None:
        """Number of classes that an answer can name, of a detector without "no object"; None where that is unknown."""
        axis = 1 if self.task == "segment" else -1
        scores = [o.shape[axis] for o in self.outputs if o.meaning in ("logits", "probabilities") and len(o.shape) > 1]
        found = scores[0] if scores else None
        has_background = self.detection is not None and self.detection.background is not None
        return found - 1 if found is not None and has_background else found

    def require_labels_for(self, classes: int) -> None:
        """Do nothing when there are as many labels as `classes`, or none.

        Raises:
            BadValue: there are more or fewer.
        """
        if self.labels is not None and len(self.labels) != classes:
            raise BadValue(
                f"{self.name!r} has {len(self.labels)} labels for {classes} classes; name them by "
                'model.spec = model.spec.model_copy(update={"labels": (...)}), or None for no names'
            )

    def to_json(self) -> str:
        """Write the record as JSON; fields that hold their default are left out, but for the version."""
        return json.dumps({"spec_version": self.spec_version} | self.model_dump(mode="json", exclude_defaults=True))

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "spec") -> "ModelSpec":
        """Read a spec of this or an older version, or of a newer minor version.

        Args:
            text: what `to_json` wrote.
            where: the file's name, for errors.

        Raises:
            BadFile: no spec, a newer major version, an unknown field, or a value that is not allowed.
        """
        return read_record(cls, text, SPEC_VERSION, "spec_version", where)
