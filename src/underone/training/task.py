"""What the loop needs to know about a task; each task is a file of its own, and a row of `run.TASKS`."""

from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..data.open_pictures import Splits
from ..image import Pixels
from .batches import Batch, Sampler
from .recipe import Recipe, Stage
from .result import TrainingResult


class Task(Protocol):
    """A task.

    Args:
        recipe: how to train.
        pictures: the training set.
        device: of the network.

    Attributes:
        metric: the figure in percent that decides which weights are kept.
        model: in the training form, on the device.
    """

    metric: str
    model: nn.Module

    def __init__(self, recipe: Recipe, pictures: Any, device: torch.device) -> None: ...

    @staticmethod
    def open_splits(root: str | PathLike[str]) -> Splits[Any]:
        """List the data."""

    def sampler(self, stage: Stage) -> Sampler:
        """Return what worker processes read and augment pictures with; it must be small when pickled."""

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return images (N, 3, H, W) float32 and targets (N, …), both on the device."""

    def loss(self, outputs: Any, images: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum of the pictures' losses, from what the model gave for the images, and the sums of figures.

        The figures' means over an epoch are the columns ``train_…`` of the run's table.
        """

    def evaluate(self, model: nn.Module, pictures: Any) -> Any:
        """Score a model in eval mode."""

    def figures(self, score: Any) -> dict[str, float]:
        """Return a score's columns ``val_…`` of the run's table; the metric is one of them."""

    def shown(self, batch: Batch) -> tuple[list[Pixels], list[str]]:
        """Return the pictures of a batch as the network is taught them, and a line for under each."""

    def draw(self, model: nn.Module, folder: Path, result: TrainingResult, splits: Splits[Any]) -> None:
        """Write the pictures of the end of a run, whose kept weights the model has."""
