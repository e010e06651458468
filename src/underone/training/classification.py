"""The task of telling classes apart: model, loss, score."""

from collections.abc import Iterator
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from .. import settings
from ..data import Pictures, open_splits
from ..data.open_pictures import Splits
from ..errors import BadValue
from ..evaluation import ClassScore, score_classes
from ..evaluation.of_torch import answer_of
from ..files import atomic_write
from ..image import Pixels
from ..models.detectors import is_detector
from ..models.segmenters import is_segmenter
from ..quantization.calibrate import open_graph
from ..runtime import Engine, load
from ..spec import ModelSpec
from ..zoo import create_model
from . import drawing
from .answer_sheets import draw_answers
from .augmentation import augment, mix
from .batches import Batch, Sampler, normalizer
from .decoding import Encoded
from .quantized import QuantizedNetwork, learning_form
from .recipe import Recipe, Stage
from .result import TrainingResult

_EVALUATION_BATCH = 32


class Classification:
    """The task; see `Task`."""

    metric = "top1"

    def __init__(self, recipe: Recipe, pictures: Pictures, device: torch.device) -> None:
        self.recipe, self.device = recipe, device
        self.names, self.classes = pictures.classes, len(pictures.classes)
        if self.classes < 2:
            raise BadValue(f"the training set has {self.classes} class; 2 or more are required")
        self.model = learning_form(_build(recipe, pictures.classes), pictures, recipe).to(device)
        self.spec = cast(ModelSpec, self.model.spec)
        how = self.spec.input.preparation
        assert how is not None, "every model of three channels has a preparation"
        self._normalize = normalizer(how, device)
        self._teacher = self._open_teacher()

    def _open_teacher(self) -> "_Teacher | None":
        if self.recipe.teacher:
            return _Teacher(load(self.recipe.teacher), self.recipe.teacher, self.spec, self.classes)
        if isinstance(self.model, QuantizedNetwork) and self.recipe.teacher_share:
            return _Teacher(open_graph(self.model.graph, settings.threads()), "itself", self.spec, self.classes)
        return None

    @staticmethod
    def open_splits(root: str | PathLike[str]) -> Splits[Pictures]:
        """List the pictures of each part."""
        return open_splits(root)

    def sampler(self, stage: Stage) -> Sampler:
        """Return what reads a picture and augments it."""
        return partial(_sample, self.recipe, stage)

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return images (N, 3, H, W) and smooth targets (N, classes), both float32 on the device."""
        images = self._normalize(batch.images)
        targets = F.one_hot(batch.targets, self.classes).to(self.device, torch.float32)
        return mix(images, targets, self.recipe, batch.seed)

    def loss(self, logits: Tensor, images: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum of the pictures' losses: cross entropy, and the teacher's answers where there is one.

        Beside it 100 for every picture that has the largest logit at the largest target.
        """
        figures = {"top1": 100.0 * (logits.argmax(1) == targets.argmax(1)).sum()}
        smoothing = self.recipe.label_smoothing
        hard = F.cross_entropy(logits.float(), targets, label_smoothing=smoothing, reduction="sum")
        if self._teacher is None:
            return hard, figures
        soft = self._teacher.loss(logits.float(), images, self.recipe.temperature)
        return hard * (1 - self.recipe.teacher_share) + soft * self.recipe.teacher_share, figures

    def evaluate(self, model: nn.Module, pictures: Pictures) -> ClassScore:
        """Score a model in eval mode on pictures prepared as its spec says."""
        return score_classes(answer_of(model), pictures, self.spec.input, batch=_EVALUATION_BATCH)

    def figures(self, score: ClassScore) -> dict[str, float]:
        """Return the columns of the validation."""
        return {"loss": score.loss, "top1": score.top1, "balanced": score.balanced}

    def shown(self, batch: Batch) -> tuple[list[Pixels], list[str]]:
        """Return the pictures and their classes."""
        texts = [self.names[int(target)] for target in batch.targets]
        return [image.permute(1, 2, 0).numpy() for image in batch.images], texts

    def draw(self, model: nn.Module, folder: Path, result: TrainingResult, splits: Splits[Pictures]) -> None:
        """Write the confusion matrix, answers beside what is right, and the worst mistakes."""
        chosen, score = cast(ClassScore, result.validation), cast(ClassScore, result.test or result.validation)
        name = "test" if result.test else "validation"
        with atomic_write(folder / "confusion_matrix.png") as path:
            drawing.confusion(
                path, score.confusion, score.classes, f"{name}: {score.top1:.1f} % of {score.pictures} right"
            )
        draw_answers(folder, answer_of(model), splits.validation, self.spec.input)
        drawing.mistakes(folder / "val_worst_pred.jpg", chosen, splits.validation)


def _sample(recipe: Recipe, stage: Stage, pictures: Pictures, index: int, seed: int, out: NDArray[np.uint8]) -> Tensor:
    augment(Encoded(pictures.read(index)), seed, recipe, stage, out)
    return torch.tensor(int(pictures.targets[index]))


class _Teacher:
    """A network whose answers are learnt, run on the student's own augmented pictures."""

    def __init__(self, net: Engine, file: str, student: ModelSpec, classes: int) -> None:
        self._net, spec = net, net.spec
        if spec.outputs[0].shape[1:] not in ((), (classes,)):
            raise BadValue(f"the teacher {file} gives {spec.outputs[0].shape}, the data has {classes} classes")
        if spec.input.preparation != student.input.preparation and not _same_values(spec, student):
            raise BadValue(f"the teacher {file} takes pictures of another range or mean than {student.name}")
        self._size = spec.input.size

    def loss(self, logits: Tensor, images: Tensor, temperature: float) -> Tensor:
        """Return the summed divergence of the softened answers, times the temperature squared (Hinton et al.)."""
        wanted = [fixed or own for fixed, own in zip(self._size, images.shape[-2:], strict=True)]
        if wanted != list(images.shape[-2:]):
            images = F.interpolate(images, wanted, mode="bilinear", antialias=True)
        answers = torch.from_numpy(np.concatenate(list(self._answers(images.cpu().numpy())))).to(logits.device)
        return F.kl_div(
            F.log_softmax(logits / temperature, 1), F.log_softmax(answers / temperature, 1),
            reduction="sum", log_target=True,
        ) * temperature**2  # fmt: skip

    def _answers(self, images: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
        fixed = self._net.spec.input.shape[0]
        for part in [images] if fixed is None else np.split(images, len(images)):
            yield next(iter(self._net.run(part).values()))


def _same_values(teacher: ModelSpec, student: ModelSpec) -> bool:
    theirs, ours = teacher.input.preparation, student.input.preparation
    return bool(
        theirs and ours and (theirs.range, theirs.mean, theirs.std, theirs.color)
        == (ours.range, ours.mean, ours.std, ours.color)
    )  # fmt: skip


def _build(recipe: Recipe, classes: tuple[str, ...]) -> nn.Module:
    if is_detector(recipe.model) or is_segmenter(recipe.model):
        raise BadValue(f"{recipe.model} does not classify; a backbone is required, or a recipe for boxes or masks")
    torch.manual_seed(recipe.seed)
    model = create_model(
        recipe.model, weights=recipe.weights, num_classes=len(classes), labels=classes, **recipe.model_options
    )
    if recipe.dropout is not None:
        cast(nn.Dropout, model.dropout).p = recipe.dropout
    spec = cast(ModelSpec, model.spec)
    size = recipe.test_size or recipe.size
    image = spec.input.model_copy(update={"shape": (None, spec.input.shape[1], size, size)})
    model.spec = spec.model_copy(update={"inputs": (image,)})  # type: ignore[assignment]
    return model
