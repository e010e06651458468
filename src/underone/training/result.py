"""What a run says of itself: where it is, and what it gave."""

from dataclasses import dataclass

from ..evaluation import ClassScore, DetectionScore, SegmentationScore
from ..spec import Frozen


@dataclass(frozen=True)
class Progress:
    """Where a run is.

    Attributes:
        epoch: that is trained, from 1.
        epochs: of the recipe.
        step: of the epoch, from 1.
        steps: of an epoch.
        loss: mean of the epoch so far.
        images_per_second: since the run was started or resumed.
        seconds_left: of the whole run, validation not counted.
        score: of the last validation in percent; None: there was none.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    images_per_second: float
    seconds_left: float
    score: float | None


class TrainingResult(Frozen):
    """What a run gave.

    Attributes:
        folder: of the run.
        weights: file of the kept weights, in the training form; of a network in 8 bits its ONNX file.
        best_epoch: from 1, whose weights were kept.
        validation: score of the kept weights on the validation pictures.
        test: the same on the test pictures; None where there are none.
        seconds: that training and validation took, all parts of the run together.
    """

    folder: str
    weights: str
    best_epoch: int
    validation: ClassScore | DetectionScore | SegmentationScore
    test: ClassScore | DetectionScore | SegmentationScore | None
    seconds: float
