"""Recipe: everything that decides how a network is trained, in one frozen record."""

import re
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from ..errors import BadValue, UnknownName
from ..spec import Frozen

SMOKE_BATCH = 8
_LARGEST_ZOOM = 8.0
# of a network in 8 bits: ranges learn on a log scale in steps of one size and do not decay, whole numbers are exact in
# float32 alone, and what is folded has no dropout, no second head and no branches
_QUANTIZED = {
    "optimizer": "adamw", "decay_norms": False, "precision": "float32", "dropout": None,
    "drop_path": 0.0, "auxiliary": 0.0, "range_penalty": 0.0,
}  # fmt: skip
_MODEL_OPTIONS = ("block", "num_branches", "output_stride", "head_channels", "separable")


class Stage(Frozen):
    """A part of the run with its own picture size and strength of augmentation.

    Attributes:
        until: share of the epochs at which it ends, 0 < until <= 1.
        size: height and width of the training pictures in pixels.
        strength: factor of the policy's magnitudes, 0 to 1.
    """

    until: float = Field(gt=0, le=1)
    size: int = Field(ge=32, le=2048)
    strength: float = Field(1.0, ge=0, le=1)


class Recipe(Frozen):
    """How a network is trained.

    Attributes:
        name: of the recipe.
        source: where it comes from.
        expected: what it should give, and who says so.
        cost: what a run takes.
        unverified: fields whose values could not be checked against the source.
        task: what is learnt.
        model: name in the zoo.
        block: family of a MobileOne's blocks: ``plain``, ``repvgg``, ``acnet``, ``dbb`` …; None: the model's own.
        num_branches: of each MobileOne block; None: as the model has it.
        weights: start: a tag, a path, or None for random.
        epochs: passes over the training set.
        batch: pictures of one step, of all processes together.
        accumulate: parts that a process computes its share of a step in, to save memory.
        optimizer: ``sgd`` or ``adamw``.
        lr: learning rate after the warm-up, for the stated batch.
        lr_end: at the end of the cosine.
        warmup_epochs: linear rise from 0.
        momentum: of SGD.
        nesterov: kind of momentum.
        head_lr: factor of the learning rate for the head.
        weight_decay: at the start.
        weight_decay_end: at the end of the same cosine; None: constant.
        decay_norms: whether batch norms and biases decay as well.
        clip_norm: largest gradient norm; None: any.
        label_smoothing: share of the target spread over all classes.
        ema: decay of the averaged weights, which are validated and kept; None: none are.
        size: of the training pictures after the last stage's rule; stages override it.
        test_size: of the validation pictures; None: `size`.
        stages: the curriculum of sizes and strengths; empty: `size` and full strength.
        min_scale: smallest share of a picture that a random crop keeps.
        policy: ``none``, ``autoaugment`` (its ImageNet policy) or ``randaugment``.
        mixup: alpha of mixup; 0: off.
        cutmix: alpha of cutmix; 0: off.
        dropout: before the head; None: as the model has it.
        drop_path: share of the pictures that go past the last block with a skip, those before it less; 0: none.
        convention: of a detector's anchors and scores, ``tensorflow`` or ``torchvision``; None: as the model has it.
        scales: of a detector's anchors in shares of the picture, one for each map and one more; empty: as it has them.
        match_overlap: an anchor learns the box that overlaps it most from this intersection over union on.
        negatives: background anchors that are learnt for each anchor with an object, the worst first.
        expand: largest factor that the page around a detector's picture grows by; 1: none.
        min_iou_crop: whether parts of a detector's pictures are cut out that keep some share of a box.
        photometric: strength of the change of brightness, contrast and colour, 0 to 1; for detectors and segmenters.
        mosaic: share of a detector's pictures that are put together from four.
        output_stride: of a segmenter's last map: 8, 16 or 32; None: as the model has it.
        head_channels: of a segmenter's head; None: as the model has it.
        separable: whether a segmenter's 3x3 convolutions are separable; None: as the model has it.
        auxiliary: weight of the loss of a segmenter's second head; 0: it has none.
        zoom: least and largest factor that a segmenter's picture is enlarged by before a part is cut out.
        rotation: degrees that a part of a segmenter's picture is turned by at the most, either way.
        noise: greatest deviation of the noise on a segmenter's picture, in shares of the range of its bytes.
        class_balance: how much rare classes weigh in a segmenter's loss: their share to the power of minus this.
        hardest: share of the pixels of a segmenter's picture that are learnt, the worst first.
        dice: weight of the overlap in a segmenter's loss.
        frozen: first parts of the names of weights that do not learn, for example ``backbone.stem``.
        teacher: file of a network whose answers are learnt too (any that `load` takes); None: none.
        teacher_share: weight of the teacher's answers in the loss.
        temperature: that softens both answers.
        range_penalty: weight of how far the channels of the folded weights lie apart, in the loss of a step.
        quantize: whether the network learns folded and in 8 bits; what it begins with may be folded already. A
            classifier's teacher is its own float32 form, where no other is named; detectors and segmenters have none.
        precision: of the forward pass under autocast.
        channels_last: memory layout of the network.
        compile: whether `torch.compile` is used.
        sync_norms: whether batch norms see the batch of all processes.
        forms: how MobileOne blocks calculate: ``auto`` folds the branches of a batch where that was measured to be
            faster, ``plain`` and ``moments`` do it nowhere and wherever possible. The result is the same.
        seed: of order, augmentation and fresh weights.
        max_unreadable: share of the pictures that may be unreadable before the run stops.
    """

    name: str
    source: str = ""
    expected: str = ""
    cost: str = ""
    unverified: tuple[str, ...] = ()
    task: Literal["classify", "detect", "segment"] = "classify"
    model: str = "mobileone_s0"
    block: str | None = None
    num_branches: int | None = Field(None, ge=1, le=16)
    weights: str | None = None
    epochs: int = Field(10, ge=1)
    batch: int = Field(64, ge=1)
    accumulate: int = Field(1, ge=1)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(0.1, gt=0)
    lr_end: float = Field(0.0, ge=0)
    warmup_epochs: float = Field(0.0, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = False
    head_lr: float = Field(1.0, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    weight_decay_end: float | None = Field(None, ge=0)
    decay_norms: bool = True
    clip_norm: float | None = Field(None, gt=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    ema: float | None = Field(None, gt=0, lt=1)
    size: int = Field(224, ge=32, le=2048)
    test_size: int | None = Field(None, ge=32, le=2048)
    stages: tuple[Stage, ...] = ()
    min_scale: float = Field(0.08, gt=0, le=1)
    policy: Literal["none", "autoaugment", "randaugment"] = "none"
    mixup: float = Field(0.0, ge=0)
    cutmix: float = Field(0.0, ge=0)
    dropout: float | None = Field(None, ge=0, lt=1)
    drop_path: float = Field(0.0, ge=0, lt=1)
    convention: Literal["tensorflow", "torchvision"] | None = None
    scales: tuple[float, ...] = ()
    match_overlap: float = Field(0.5, gt=0, lt=1)
    negatives: float = Field(3.0, gt=0)
    expand: float = Field(4.0, ge=1, le=8)
    min_iou_crop: bool = True
    photometric: float = Field(1.0, ge=0, le=1)
    mosaic: float = Field(0.0, ge=0, le=1)
    output_stride: Literal[8, 16, 32] | None = None
    head_channels: int | None = Field(None, ge=1)
    separable: bool | None = None
    auxiliary: float = Field(0.0, ge=0)
    zoom: tuple[float, float] = (0.5, 2.0)
    rotation: float = Field(0.0, ge=0, le=180)
    noise: float = Field(0.0, ge=0, le=1)
    class_balance: float = Field(0.0, ge=0, le=1)
    hardest: float = Field(1.0, gt=0, le=1)
    dice: float = Field(0.0, ge=0)
    frozen: tuple[str, ...] = ()
    teacher: str | None = None
    teacher_share: float = Field(0.5, ge=0, le=1)
    temperature: float = Field(1.0, gt=0)
    range_penalty: float = Field(0.0, ge=0)
    quantize: bool = False
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    channels_last: bool = False
    compile: bool = False
    sync_norms: bool = False
    forms: Literal["auto", "plain", "moments"] = "auto"
    seed: int = Field(0, ge=0)
    max_unreadable: float = Field(0.01, ge=0, le=1)

    @model_validator(mode="after")
    def _check_stages(self) -> Self:
        ends = [stage.until for stage in self.stages]
        if ends and (ends != sorted(set(ends)) or ends[-1] != 1):
            raise ValueError(f"the stages end at {ends}; rising shares that end at 1 are required")
        return self

    @model_validator(mode="after")
    def _check_zoom(self) -> Self:
        if not 0 < self.zoom[0] <= self.zoom[1] <= _LARGEST_ZOOM:
            raise ValueError(f"zoom={self.zoom}; two rising factors above 0, at most {_LARGEST_ZOOM:g}, are required")
        return self

    @model_validator(mode="after")
    def _check_quantize(self) -> Self:
        unfit = {key: getattr(self, key) for key, required in _QUANTIZED.items() if getattr(self, key) != required}
        if self.quantize and unfit:
            given = ", ".join(f"{key}={value}" for key, value in unfit.items())
            required = ", ".join(f"{key}={_QUANTIZED[key]}" for key in unfit)
            raise ValueError(f"quantize with {given}; {required} is required")
        return self

    @property
    def model_options(self) -> dict[str, Any]:
        """What `create_model` is told beside the name, where it is set."""
        return {key: getattr(self, key) for key in _MODEL_OPTIONS if getattr(self, key) is not None}

    def changed(self, **changes: Any) -> "Recipe":
        """Return the recipe with other values, checked.

        Args:
            changes: new values by field; texts are read as numbers and so on where the field wants them.

        Raises:
            UnknownName: no such field.
            BadValue: a value outside what the field takes.
        """
        for key in changes:
            if key not in type(self).model_fields:
                raise UnknownName("recipe key", key, type(self).model_fields)
        try:
            return type(self).model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            raise BadValue(_said(error.errors()[0])) from error

    def smoke(self) -> "Recipe":
        """Return the same recipe for a try of seconds: one epoch of small pictures in small batches."""
        return self.changed(
            name=f"{self.name}_smoke", epochs=1, batch=SMOKE_BATCH, size=64, test_size=None, stages=(), warmup_epochs=0
        )


def _said(error: ErrorDetails) -> str:
    """Tell what does not fit, in pydantic's own words."""
    key = ".".join(map(str, error["loc"]))
    said = error["msg"].removeprefix("Value error, ")
    if not key:  # several keys together name themselves
        return said
    if error["type"] == "missing":  # its input is what lacks it
        return f"{key} is required"
    if said.startswith("Input should be "):
        said = re.split(", (?:unable|got) ", said.removeprefix("Input should be "))[0] + " is required"
    return f"{key}={error['input']!r}; {said}"
