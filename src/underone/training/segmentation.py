"""The task of giving every pixel a class: model, loss, score."""

from collections.abc import Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.masked import IGNORED, MaskedPictures
from ..data.open_masks import open_mask_splits
from ..data.open_pictures import Splits
from ..errors import BadFile, BadValue
from ..evaluation.of_segmenter import segmenter_of
from ..evaluation.of_torch import outputs_of
from ..evaluation.segmentation import Segment, SegmentationScore, score_masks
from ..files import atomic_write
from ..image import Pixels, overlay_mask, read_image
from ..image.read import size_of
from ..models.segmenters import is_segmenter
from ..spec import ModelSpec
from ..zoo import create_model
from . import drawing
from .batches import Batch, Sampler, normalizer, zero_color
from .mask_augmentation import augment_mask
from .mask_drawing import sheet
from .mask_loss import dice_losses, pixel_losses
from .quantized import learning_form
from .recipe import Recipe, Stage
from .result import TrainingResult

_EVALUATION_BATCH = 8
_DRAWN = 12  # pictures of a sheet
_COUNTED = 1000  # pictures that the shares of the classes are counted in


class Segmentation:
    """The task; see `Task`."""

    metric = "miou"

    def __init__(self, recipe: Recipe, pictures: MaskedPictures, device: torch.device) -> None:
        world = dist.get_world_size() if dist.is_initialized() and not recipe.sync_norms else 1
        if recipe.batch // world < 2 * recipe.accumulate:
            raise BadValue(
                f"batch={recipe.batch}, processes={world}, accumulate={recipe.accumulate}; 2 pictures or more in each "
                "part are required, for the mean of a whole map has no statistics in one"
            )
        self.recipe, self.device = recipe, device
        self.model = learning_form(_build(recipe, pictures.classes), pictures, recipe).to(device)
        self.spec = cast(ModelSpec, self.model.spec)
        assert self.spec.input.preparation is not None, "every model of three channels has a preparation"
        assert self.spec.segmentation is not None, "every segmenter of the zoo says how its map lies"
        self._preparation, self._corners = self.spec.input.preparation, self.spec.segmentation.alignment == "corners"
        self._normalize = normalizer(self._preparation, device)
        self._weights = _class_weights(pictures, recipe.class_balance, device) if recipe.class_balance else None

    @staticmethod
    def open_splits(root: str | PathLike[str]) -> Splits[MaskedPictures]:
        """List the pictures and masks of each part."""
        return open_mask_splits(root)

    def sampler(self, stage: Stage) -> Sampler:
        """Return what reads a picture and its mask, and augments them."""
        return partial(_sample, self.recipe, stage, zero_color(self._preparation))

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return images (N, 3, H, W) float32 and classes (N, H, W) int64, both on the device."""
        return self._normalize(batch.images), batch.targets.to(self.device, torch.int64)

    def loss(
        self,
        outputs: Mapping[str, Tensor],
        images: Tensor,  # noqa: ARG002
        targets: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum of the pictures' losses, and its parts."""
        recipe = self.recipe
        logits = self._enlarged(outputs["logits"], targets)
        entropy = partial(
            pixel_losses, targets=targets, weights=self._weights, smoothing=recipe.label_smoothing,
            hardest=recipe.hardest,
        )  # fmt: skip
        parts = {"pixel_loss": entropy(logits).sum()}
        if recipe.dice:
            parts["dice_loss"] = recipe.dice * dice_losses(logits, targets).sum()
        if recipe.auxiliary:
            parts["auxiliary_loss"] = recipe.auxiliary * entropy(self._enlarged(outputs["auxiliary"], targets)).sum()
        return torch.stack([*parts.values()]).sum(), parts

    def _enlarged(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Lay maps (N, classes, h, w) on the pixels, as the answers will be."""
        return F.interpolate(
            logits.float(), targets.shape[1:], mode="bilinear", align_corners=self._corners
        )  # (N, classes, H, W)

    def evaluate(self, model: nn.Module, pictures: MaskedPictures) -> SegmentationScore:
        """Score a model in eval mode on pictures prepared as its spec says, at their own size."""
        return score_masks(self._segmenter(model), pictures, batch=_EVALUATION_BATCH)

    def _segmenter(self, model: nn.Module) -> Segment:
        return segmenter_of(outputs_of(model, [output.name for output in self.spec.outputs]), self.spec)

    def figures(self, score: SegmentationScore) -> dict[str, float]:
        """Return the columns of the validation."""
        return {"miou": score.miou, "pixels": score.pixel_accuracy, "borders": score.boundary_f1 or 0.0}

    def shown(self, batch: Batch) -> tuple[list[Pixels], list[str]]:
        """Return the pictures under the colours of what is learnt; what is ignored is left as it is."""
        pictures = [np.ascontiguousarray(image.permute(1, 2, 0).numpy()) for image in batch.images]
        masks = list(batch.targets.numpy())
        drawn = [np.asarray(overlay_mask(*pair, background=IGNORED)) for pair in zip(pictures, masks, strict=True)]
        counts = [len(np.unique(mask[mask != IGNORED])) for mask in masks]
        return drawn, [f"{count} classes" for count in counts]

    def draw(self, model: nn.Module, folder: Path, result: TrainingResult, splits: Splits[MaskedPictures]) -> None:
        """Write the confusion matrix in percent, and pictures under what is right and what was said."""
        part, name = (splits.test, "test") if splits.test else (splits.validation, "validation")
        score = cast(SegmentationScore, result.test or result.validation)
        table = np.array(score.confusion)
        shares = np.rint(100 * table / np.maximum(table.sum(1, keepdims=True), 1)).astype(int)
        with atomic_write(folder / "confusion_matrix.png") as path:
            title = f"{name}: mIoU {score.miou:.1f} %, {score.pictures} pictures; cells in % of the right class"
            drawing.confusion(path, shares.tolist(), score.classes, title)
        segment = self._segmenter(model)
        spread = np.linspace(0, len(part) - 1, min(_DRAWN, len(part))).round().astype(int).tolist()
        sheet(folder / "val_batch0_pred.jpg", segment, part, spread)
        rows = {part.name(i): i for i in range(len(part))}
        sheet(folder / "val_worst_pred.jpg", segment, part, [rows[one.picture] for one in score.worst[:_DRAWN]])


def _sample(
    recipe: Recipe,
    stage: Stage,
    fill: tuple[int, ...],
    pictures: MaskedPictures,
    index: int,
    seed: int,
    out: NDArray[np.uint8],
) -> Tensor:
    pixels = read_image(pictures.read(index))
    mask = pictures.mask(index, (pixels.shape[0], pixels.shape[1]))
    image, mask = augment_mask(pixels, mask, seed, recipe, stage, fill)
    out[...] = image.transpose(2, 0, 1)
    return torch.from_numpy(mask.copy())


def _class_weights(pictures: MaskedPictures, balance: float, device: torch.device) -> Tensor:
    """Return the weight of each class: its share of the pixels to the power of minus `balance`, their mean pixel's 1.

    A class without pixels has the weight 0.
    """
    counts = np.zeros(256, np.int64)
    for index in np.linspace(0, len(pictures) - 1, min(_COUNTED, len(pictures))).round().astype(int).tolist():
        try:
            mask = pictures.mask(index, size_of(pictures.read(index)))
        except BadFile:  # is reported when it is to be learnt
            continue
        counts += np.bincount(mask.reshape(-1), minlength=256)
    seen = counts[: len(pictures.classes)]
    weights = np.where(seen > 0, np.maximum(seen, 1) ** -balance, 0.0)
    mean = (weights * seen).sum() / max(seen.sum(), 1)
    return torch.tensor(weights / max(mean, 1e-12), dtype=torch.float32, device=device)


def _build(recipe: Recipe, classes: tuple[str, ...]) -> nn.Module:
    if not is_segmenter(recipe.model):
        raise BadValue(f"{recipe.model} does not segment; a model such as deeplabv3_{recipe.model} is required")
    torch.manual_seed(recipe.seed)
    given = recipe.model_options | ({"auxiliary": True} if recipe.auxiliary else {})
    if "background" in classes:
        given["background"] = classes.index("background")
    model = create_model(
        recipe.model,
        weights=recipe.weights,
        num_classes=len(classes),
        labels=classes,
        size=recipe.test_size or recipe.size,
        **given,
    )
    return model
