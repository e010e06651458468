"""The folder of a run: what people look at. Every file is written as a whole."""

import csv
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..data.open_pictures import Splits
from ..errors import BadFile, MissingExtra, UnknownName
from ..files import atomic_write, make_folder
from ..image import Pixels
from ..weights.store import read_safetensors
from . import drawing
from .recipe import Recipe
from .recipes import write_recipe
from .result import TrainingResult
from .schedules import rates_at


class Logger(Protocol):
    """Where figures go besides the folder."""

    def log(self, row: Mapping[str, float]) -> None:
        """Note the figures of an epoch."""


def weights_file(folder: Path) -> Path:
    """Return where the kept weights are."""
    return folder / "weights" / "best.safetensors"


def begin(folder: Path, recipe: Recipe, steps: int, splits: Splits[Any]) -> None:
    """Write what is known before the first step: recipe, machine, schedule."""
    make_folder(folder / "weights")
    with atomic_write(folder / "recipe.yaml") as path:
        write_recipe(recipe, path)
    _write_json(folder / "env.json", _environment(splits))
    total = recipe.epochs * steps
    marks = sorted({round(i * (total - 1) / 199) for i in range(200)})
    with atomic_write(folder / "schedule.png") as path:
        drawing.schedule(path, [m / steps for m in marks], [rates_at(recipe, m, steps) for m in marks], recipe)


def draw_batch(folder: Path, number: int, pictures: Sequence[Pixels], texts: Sequence[str]) -> None:
    """Write the pictures of a batch as the network is taught them, each with a line under it."""
    with atomic_write(folder / f"train_batch{number}.jpg") as path:
        drawing.sheet(path, pictures, texts)


def note_epoch(folder: Path, history: Sequence[Mapping[str, float]], metric: str, loggers: Sequence[Logger]) -> None:
    """Write the table and the plot of all epochs so far; tell the loggers the last."""
    with atomic_write(folder / "results.csv") as path, path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(history[0]))
        table.writeheader()
        table.writerows({k: round(v, 6) for k, v in row.items()} for row in history)
    with atomic_write(folder / "results.png") as path:
        drawing.results(path, history, metric)
    for logger in loggers:
        logger.log(history[-1])


def finish(folder: Path, result: TrainingResult, unreadable: Mapping[str, str]) -> None:
    """Write the scores of the kept weights."""
    _write_json(folder / "result.json", result.model_dump(mode="json") | {"unreadable": dict(unreadable)})


def read_result(folder: Path) -> TrainingResult:
    """Read the scores back.

    Raises:
        BadFile: they are missing or damaged.
    """
    try:
        values = json.loads((folder / "result.json").read_text("utf-8"))
        return TrainingResult.model_validate({key: values[key] for key in TrainingResult.model_fields})
    except (OSError, ValueError, KeyError) as error:
        raise BadFile(f"{folder / 'result.json'} holds no result of a run: {str(error).splitlines()[0]}") from error


def read_best(folder: Path, model: nn.Module) -> dict[str, Tensor]:
    """Read the kept weights back, under the model's own names."""
    arrays, _ = read_safetensors(weights_file(folder))
    return {name: torch.from_numpy(arrays[name]) for name in model.state_dict()}


def open_loggers(names: Sequence[str], folder: Path) -> list[Logger]:
    """Open loggers by name.

    Raises:
        UnknownName: no such logger.
        MissingExtra: its package is not installed.
    """
    for name in names:
        if name not in LOGGERS:
            raise UnknownName("logger", name, LOGGERS)
    return [LOGGERS[name](folder) for name in names]


class TensorBoard:
    """TensorBoard's event files below the folder."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtra("the TensorBoard logger", "tensorboard", "track") from error
        self._writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def log(self, row: Mapping[str, float]) -> None:
        """Note the figures of an epoch."""
        for name, value in row.items():
            self._writer.add_scalar(name, value, int(row["step"]))
        self._writer.flush()


class Trackio:
    """trackio's local board."""

    def __init__(self, folder: Path) -> None:
        try:
            import trackio
        except ImportError as error:
            raise MissingExtra("the trackio logger", "trackio", "track") from error
        self._run: Any = trackio.init(project="underone", name=str(folder), resume="allow")

    def log(self, row: Mapping[str, float]) -> None:
        """Note the figures of an epoch."""
        self._run.log({name: value for name, value in row.items() if name != "step"}, step=int(row["step"]))


LOGGERS: Mapping[str, Any] = {"tensorboard": TensorBoard, "trackio": Trackio}


def _environment(splits: Splits[Any]) -> dict[str, Any]:
    packages = ("underone", "torch", "torchvision", "numpy", "pillow")
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: version(name) for name in packages},
        "threads": torch.get_num_threads(),
        "pictures": {name: len(part) for name, part in splits._asdict().items() if part is not None},
        "classes": list(splits.train.classes),
    }


def _write_json(path: Path, value: Any) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")
