"""The task of finding objects: model, anchors, loss, score."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..boxes import anchor_boxes, decode, encode, match
from ..boxes.families import torchvision_ssd
from ..data.boxed import BoxedPictures, Boxes
from ..data.open_boxes import open_box_splits
from ..data.open_pictures import Splits
from ..errors import BadFile, BadValue
from ..evaluation.coco import require_package
from ..evaluation.detection import DetectionScore, score_boxes
from ..evaluation.of_detector import detector_of
from ..evaluation.of_torch import outputs_of
from ..files import atomic_write
from ..image import Pixels, read_image
from ..image.frames import draw_frames
from ..models.detectors import is_detector
from ..spec import DetectionSpec, ModelSpec
from ..zoo import create_model
from . import box_drawing, drawing
from .batches import Batch, Sampler, normalizer, zero_color
from .box_augmentation import augment_boxes, mosaic
from .box_loss import NOTHING, detection_loss
from .quantized import learning_form
from .recipe import Recipe, Stage
from .result import TrainingResult

_EVALUATION_BATCH = 8
_DRAWN = 12  # pictures of a sheet


class Detection:
    """The task; see `Task`."""

    metric = "ap50"

    def __init__(self, recipe: Recipe, pictures: BoxedPictures, device: torch.device) -> None:
        require_package()  # now, not at the end of the first epoch
        for stage in recipe.stages:
            if stage.size != recipe.size:
                raise BadValue(f"a stage has the size {stage.size}; detectors have anchors for {recipe.size} alone")
        self.recipe, self.device, self.names = recipe, device, pictures.classes
        self.model = learning_form(_build(recipe, pictures.classes), pictures, recipe).to(device)
        self.spec = cast(ModelSpec, self.model.spec)
        assert self.spec.detection is not None, "every detector of the zoo has anchors"
        assert self.spec.input.preparation is not None, "every model of three channels has a preparation"
        self.detection, self._preparation = self.spec.detection, self.spec.input.preparation
        self._normalize = normalizer(self._preparation, device)

    @staticmethod
    def open_splits(root: str | PathLike[str]) -> Splits[BoxedPictures]:
        """List the pictures and boxes of each part."""
        return open_box_splits(root)

    def sampler(self, stage: Stage) -> Sampler:
        """Return what reads a picture, augments it, and gives each anchor its box."""
        return BoxSampler(self.recipe, stage, self.detection, zero_color(self._preparation))

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return images (N, 3, H, W) and targets (N, A, 5), both float32 on the device."""
        return self._normalize(batch.images), batch.targets.to(self.device)

    def loss(
        self,
        outputs: Mapping[str, Tensor],
        images: Tensor,  # noqa: ARG002
        targets: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum of the pictures' losses, and its two parts."""
        codes, logits = outputs["box_codes"], outputs["logits"]
        boxes, classes = detection_loss(codes, logits, targets, self.detection, self.recipe.negatives)
        return boxes + classes, {"box_loss": boxes, "class_loss": classes}

    def evaluate(self, model: nn.Module, pictures: BoxedPictures) -> DetectionScore:
        """Score a model in eval mode on pictures prepared as its spec says."""
        run = outputs_of(model, [output.name for output in self.spec.outputs])
        return score_boxes(detector_of(run, self.spec), pictures, batch=_EVALUATION_BATCH)

    def figures(self, score: DetectionScore) -> dict[str, float]:
        """Return the columns of the validation."""
        table = score.coco
        return {"ap50": table.ap50 or 0.0, "ap": table.ap or 0.0, "ar100": table.ar100 or 0.0, "voc": score.voc or 0.0}

    def shown(self, batch: Batch) -> tuple[list[Pixels], list[str]]:
        """Return the pictures with the boxes that their anchors must find."""
        anchors = _anchors(self.detection)
        drawn, texts = [], []
        for image, target in zip(batch.images, batch.targets.numpy(), strict=True):
            positive = target[:, 4] >= 0
            corners = decode(target[:, :4], anchors, self.detection)[positive]
            pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
            drawn.append(draw_frames(pixels, corners * self.recipe.size, target[positive, 4].astype(int)))
            texts.append(f"{int(positive.sum())} anchors")
        return drawn, texts

    def draw(self, model: nn.Module, folder: Path, result: TrainingResult, splits: Splits[BoxedPictures]) -> None:
        """Write the curves, the confusion matrix, and pictures with what is right and what was said."""
        part, name = (splits.test, "test") if splits.test else (splits.validation, "validation")
        score = cast(DetectionScore, result.test or result.validation)
        with atomic_write(folder / "pr_curve.png") as path:
            drawing.curves(path, score.classes, [one.curve for one in score.by_class])
        with atomic_write(folder / "confusion_matrix.png") as path:
            title = f"{name}: AP50 {score.coco.ap50 or 0:.1f} %, {score.boxes} boxes in {score.pictures} pictures"
            drawing.confusion(path, score.confusion, [*score.classes, "nothing"], title)
        detect = detector_of(outputs_of(model, [output.name for output in self.spec.outputs]), self.spec)
        box_drawing.sheet(folder / "val_batch0_pred.jpg", detect, part, range(min(_DRAWN, len(part))))
        rows = {part.name(i): i for i in range(len(part))}
        worst = [rows[one.picture] for one in score.worst[:_DRAWN]]
        box_drawing.sheet(folder / "val_worst_pred.jpg", detect, part, worst)


@dataclass(frozen=True)
class BoxSampler:
    """From a picture of the list to what is learnt.

    Attributes:
        recipe: says how pictures are augmented and matched.
        stage: gives size and strength.
        detection: gives anchors and codes.
        fill: colour of what lies outside a picture.
    """

    recipe: Recipe
    stage: Stage
    detection: DetectionSpec
    fill: tuple[int, ...]

    def __call__(self, pictures: BoxedPictures, index: int, seed: int, out: NDArray[np.uint8]) -> Tensor:
        """Write the picture; return its target (A, 5): the code of each anchor's box, and its class or `NOTHING`."""
        own = pixels, boxes = _read(pictures, index)
        generator = np.random.default_rng(seed)
        if generator.random() < self.recipe.mosaic:
            others = [_read_or(own, pictures, int(i)) for i in generator.integers(len(pictures), size=3)]
            pixels, boxes = mosaic([own, *others], generator, self.fill)
        pixels, corners, ids = augment_boxes(pixels, boxes, seed, self.recipe, self.stage, self.fill)
        out[...] = pixels.transpose(2, 0, 1)
        return torch.from_numpy(self.target(corners / self.stage.size, ids))

    def target(self, corners: NDArray[Any], ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Give each anchor its box.

        Args:
            corners: (n, 4) x1 y1 x2 y2, shares of the picture.
            ids: (n,) classes.
        """
        anchors = _anchors(self.detection)
        target = np.full((len(anchors), 5), [0, 0, 0, 0, NOTHING], np.float32)
        found = match(corners, anchors, self.recipe.match_overlap)
        positive = found >= 0
        mine = found[positive]
        target[positive, :4] = encode(corners[mine], anchors[positive], self.detection)
        target[positive, 4] = ids[mine]
        return target


def _read(pictures: BoxedPictures, index: int) -> tuple[Pixels, Boxes]:
    """Return a picture and the boxes that are learnt: no crowds, no difficult ones."""
    pixels = read_image(pictures.read(index))
    boxes = pictures.boxes(index, pixels.shape[:2])
    return pixels, boxes.at(~(boxes.crowd | boxes.difficult))


def _read_or(own: tuple[Pixels, Boxes], pictures: BoxedPictures, index: int) -> tuple[Pixels, Boxes]:
    """Return another picture of a page; where it cannot be read the page's own, which is not to blame for that."""
    try:
        return _read(pictures, index)
    except BadFile:
        return own


@lru_cache(maxsize=4)
def _anchors(detection: DetectionSpec) -> NDArray[np.float32]:
    return anchor_boxes(detection.anchors, detection.clip_anchors)


def _build(recipe: Recipe, classes: tuple[str, ...]) -> nn.Module:
    if not is_detector(recipe.model):
        raise BadValue(f"{recipe.model} does not detect; a model such as ssdlite320_{recipe.model} is required")
    torch.manual_seed(recipe.seed)
    given = recipe.model_options | ({"detection": recipe.convention} if recipe.convention else {})
    model = create_model(
        recipe.model, weights=recipe.weights, num_classes=len(classes), labels=classes, size=recipe.size, **given
    )
    spec = cast(ModelSpec, model.spec)
    if recipe.scales:
        model.spec = _with_scales(spec, recipe.scales)  # type: ignore[assignment]
    return model


def _with_scales(spec: ModelSpec, scales: tuple[float, ...]) -> ModelSpec:
    assert spec.detection is not None, "every detector of the zoo has anchors"
    maps = [(grid.rows, grid.columns) for grid in spec.detection.anchors]
    anchors = torchvision_ssd(maps, scales=scales)
    if [len(grid.shapes) for grid in anchors] != [len(grid.shapes) for grid in spec.detection.anchors]:
        raise BadValue(f"scales={scales} need the convention torchvision, with six anchors a cell; set convention")
    return spec.model_copy(update={"detection": spec.detection.model_copy(update={"anchors": anchors})})
