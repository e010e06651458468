"""train: a recipe and pictures → weights. The one loop, in order of execution.

Everything random follows from the recipe's seed and the step, so that a run that was cut off anywhere goes on from its
last state to the same weights, bit for bit on a CPU.
"""

import math
import time
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch

from ..data.open_pictures import Splits
from ..data.order import steps_of
from ..errors import BadFile, BadValue, Diverged
from ..weights import save_weights
from . import checkpoint, run_folder
from .batches import Batch, Unreadable, epoch_batches, fitting_workers
from .classification import Classification
from .detection import Detection
from .distribution import Group, choose_device, joined_group
from .learner import Learner
from .quantized import QuantizedNetwork, write_learned
from .recipe import Recipe
from .recipes import recipe_of
from .result import Progress, TrainingResult
from .schedules import rates_at, stage_at
from .segmentation import Segmentation
from .signals import Stop, held_signals
from .task import Task

SAVE_SECONDS = 120.0
_DRAWN = 3  # batches of the first epoch
TASKS: Mapping[str, type[Task]] = {"classify": Classification, "detect": Detection, "segment": Segmentation}


def train(
    recipe: Recipe | str,
    data: str | PathLike[str],
    output: str | PathLike[str],
    *,
    resume: bool = False,
    device: str = "auto",
    workers: int | None = None,
    save_seconds: float = SAVE_SECONDS,
    loggers: tuple[str, ...] = (),
    progress: Callable[[Progress], None] = lambda where: None,  # noqa: ARG005
    **changes: Any,
) -> TrainingResult:
    """Train a network.

    Under `torchrun` or Ray every process calls this with the same arguments; batch and learning rate are those of all
    processes together, whatever their number.

    Args:
        recipe: a name of `RECIPES`, the ``recipe.yaml`` of a run, or a Recipe.
        data: folder with ``train``, ``validation`` and perhaps ``test``; see `open_splits`.
        output: folder of the run; made if need be.
        resume: go on from the folder's last state; start where it has none.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        workers: processes that read pictures ahead; None: as `fitting_workers` has it. The result is the same.
        save_seconds: time between two states on disk; one is written after every epoch too.
        loggers: ``tensorboard``, ``trackio``.
        progress: told after each step.
        changes: other values for fields of the recipe.

    Returns:
        The scores of the weights that were best on the validation pictures, and where they are.

    Raises:
        UnknownName: no such recipe, key, model, weights or logger.
        BadValue: a value that does not fit, or a device that this machine has not; the folder holds a run and `resume`
            is not set, or one of another recipe.
        BadFile: the data or the folder cannot be read or written; too many pictures are unreadable.
        Diverged: the loss or a weight became NaN or infinite.
        MissingExtra: the package of a logger is not installed.
    """
    recipe = (recipe_of(recipe) if isinstance(recipe, str) else recipe).changed(**changes)
    if workers is not None and workers < 0:
        raise BadValue(f"workers={workers}; a whole number from 0 up is required")
    with joined_group(device) as group:
        splits = TASKS[recipe.task].open_splits(data)
        where = choose_device(device, group)
        workers = fitting_workers(len(splits.train), where, group) if workers is None else workers
        run = Run(recipe, splits, Path(output), group, where, workers, save_seconds)
        run.loggers = run_folder.open_loggers(loggers if group.leads else (), run.folder)
        return run.to_the_end(resume, progress)


class Run:
    """A run in this process.

    Args:
        recipe: how to train.
        splits: what to learn from, choose by, and state a figure on.
        folder: where files go.
        group: the processes of the run.
        device: of this one.
        workers: processes that read pictures ahead.
        save_seconds: time between two states on disk.
    """

    def __init__(
        self, recipe: Recipe, splits: Splits[Any], folder: Path, group: Group, device: torch.device, workers: int,
        save_seconds: float,
    ) -> None:  # fmt: skip
        self.recipe, self.splits, self.folder, self.group = recipe, splits, folder, group
        self.workers, self.save_seconds = workers, save_seconds
        self.steps = steps_of(len(splits.train), recipe.batch)
        self.task = TASKS[recipe.task](recipe, splits.train, device)
        self.learner = Learner(self.task, recipe, group, device)
        self.loggers: list[run_folder.Logger] = []

        self.step = 0  # over all epochs
        self.sums: dict[str, float] = {}  # of this epoch so far
        self.history: list[dict[str, float]] = []  # one row an epoch
        self.best = {"epoch": 0, "score": -math.inf}
        self.unreadable: dict[str, str] = {}
        self.seconds = 0.0

    @property
    def data(self) -> dict[str, Any]:
        """What a resumed run must find again."""
        return {"pictures": len(self.splits.train), "classes": list(self.splits.train.classes)}

    @property
    def epoch(self) -> int:
        """The epoch that the next step belongs to, from 0."""
        return self.step // self.steps

    def to_the_end(self, resume: bool, progress: Callable[[Progress], None]) -> TrainingResult:
        """Start or resume, run all epochs, and score the kept weights."""
        self.open_folder(resume)
        self.began, self.first_step = time.monotonic(), self.step  # of this part of the run
        self.started, self.saved = self.began - self.seconds, self.began
        with held_signals() as stop:
            while self.step < self.recipe.epochs * self.steps:
                self.train_epoch(progress, stop)
                self.end_epoch()
        return self.finish()

    def open_folder(self, resume: bool) -> None:
        """Make the folder of a new run, or take up the state of an old one."""
        has_state = checkpoint.has_state(self.folder)
        if has_state and not resume:
            raise BadValue(f"{self.folder} holds a run already; resume it (resume=True), or name another folder")
        if has_state:
            self.load(checkpoint.read_state(self.folder))
        elif self.group.leads:
            run_folder.begin(self.folder, self.recipe, self.steps, self.splits)
        self.group.wait()

    def train_epoch(self, progress: Callable[[Progress], None], stop: Stop) -> None:
        """Train what is left of an epoch.

        Raises:
            KeyboardInterrupt: somebody asked to stop; the state is on disk.
        """
        epoch, first = self.epoch, self.step % self.steps
        stage = stage_at(self.recipe, epoch)
        sampler, where = self.task.sampler(stage), (epoch, first, self.group, self.workers)
        for batch in epoch_batches(self.splits.train, self.recipe, sampler, stage.size, *where):
            if self.step < _DRAWN and self.group.leads:
                run_folder.draw_batch(self.folder, self.step, *self.task.shown(batch))
            self.note_unreadable(batch.unreadable)
            self.train_step(batch)
            self.step += 1
            progress(self.where())
            within = self.step % self.steps > 0  # after the last step the epoch is noted first
            if within and (stop.asked or time.monotonic() - self.saved > self.save_seconds):
                self.save()
            if within and stop.asked:
                raise KeyboardInterrupt

    def train_step(self, batch: Batch) -> None:
        """Take one step of the optimiser."""
        torch.manual_seed(_seed(self.recipe.seed, self.step, self.group.rank))  # of dropout
        found = self.learner.gradients(*self.task.inputs(batch))
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in found.items()}
        if not math.isfinite(found["loss"]):
            raise self.diverged(f"the loss is {found['loss']}", batch.names)
        self.learner.update(rates_at(self.recipe, self.step, self.steps), self.step)

    def end_epoch(self) -> None:
        """Validate, note the epoch, keep the weights if they are the best so far."""
        if self.group.leads:
            score = self.task.evaluate(self.learner.kept, self.splits.validation)
            self.history.append(self.row(score))
            self.keep_best(self.history[-1][f"val_{self.task.metric}"])
            run_folder.note_epoch(self.folder, self.history, self.task.metric, self.loggers)
        self.history = self.group.share(self.history)
        self.sums = {}
        self.save()

    def row(self, score: Any) -> dict[str, float]:
        """Return the figures of the epoch that ends now."""
        rates = rates_at(self.recipe, self.step - 1, self.steps)
        return {
            "epoch": self.epoch,
            "step": self.step,
            "lr": rates.lr,
            "weight_decay": rates.weight_decay,
            "size": stage_at(self.recipe, self.epoch - 1).size,
            **{f"train_{name}": mean for name, mean in self.means().items()},
            **{f"val_{name}": value for name, value in self.task.figures(score).items()},
            "seconds": time.monotonic() - self.started,
        }

    def means(self) -> dict[str, float]:
        """Return loss and figures of the epoch so far, means over its pictures."""
        return {name: total / self.sums["seen"] for name, total in self.sums.items() if name != "seen"}

    def keep_best(self, value: float) -> None:
        """Write the weights if no earlier epoch was as good."""
        if value > self.best["score"]:
            self.best = {"epoch": self.epoch, "score": value}
            self.require_finite()
            save_weights(self.learner.kept, run_folder.weights_file(self.folder))

    def finish(self) -> TrainingResult:
        """Score the kept weights and draw what the run did."""
        return cast(TrainingResult, self.group.share(self.result() if self.group.leads else None))

    def result(self) -> TrainingResult:
        """Score the kept weights, and write that."""
        kept = self.learner.kept
        kept.load_state_dict(run_folder.read_best(self.folder, kept))
        weights = run_folder.weights_file(self.folder)
        if isinstance(kept, QuantizedNetwork):
            weights = write_learned(kept, weights.with_suffix(".onnx"), self.splits.validation)
        result = TrainingResult(
            folder=str(self.folder),
            weights=str(weights),
            best_epoch=int(self.best["epoch"]),
            validation=self.task.evaluate(kept, self.splits.validation),
            test=self.task.evaluate(kept, self.splits.test) if self.splits.test else None,
            seconds=self.history[-1]["seconds"],
        )
        run_folder.finish(self.folder, result, self.unreadable)
        self.task.draw(kept, self.folder, result, self.splits)
        return result

    def save(self) -> None:
        """Write the state of the run, unless a weight is not finite."""
        if not self.group.leads:
            return
        self.require_finite()
        self.seconds = time.monotonic() - self.started
        state = {
            "recipe": self.recipe.model_dump_json(),
            "data": self.data,
            "step": self.step,
            **self.learner.state(),
            "sums": self.sums,
            "history": self.history,
            "best": self.best,
            "unreadable": self.unreadable,
            "seconds": self.seconds,
        }
        checkpoint.write_state(self.folder, state)
        self.saved = time.monotonic()

    def load(self, state: dict[str, Any]) -> None:
        """Take up a state.

        Raises:
            BadFile: it is not whole.
            BadValue: it is of another recipe, or of other data.
        """
        checkpoint.require_whole(self.folder, state)
        stored = Recipe.model_validate_json(state["recipe"])
        differing = [key for key in Recipe.model_fields if getattr(stored, key) != getattr(self.recipe, key)]
        if differing:
            raise BadValue(
                f"{self.folder} is a run with another "
                + ", ".join(f"{key}={getattr(stored, key)!r} (now {getattr(self.recipe, key)!r})" for key in differing)
                + "; resume it with its own recipe.yaml, or name another folder"
            )
        if state["data"] != self.data:
            raise BadValue(
                f"{self.folder} is a run on {_listed(state['data'])}, now there are {_listed(self.data)}; "
                "resume it with its own data, or name another folder"
            )
        self.learner.load_state(state)
        for name in ("step", "sums", "history", "best", "unreadable", "seconds"):
            setattr(self, name, state[name])

    def note_unreadable(self, found: tuple[Unreadable, ...]) -> None:
        """Count pictures that could not be read.

        Raises:
            BadFile: there are more than the recipe allows.
        """
        self.unreadable.update((entry.name, entry.reason) for entry in found)
        limit = math.ceil(self.recipe.max_unreadable * len(self.splits.train))
        if len(self.unreadable) > limit:
            shown = "; ".join(f"{name}: {reason}" for name, reason in list(self.unreadable.items())[:5])
            raise BadFile(
                f"{len(self.unreadable)} of {len(self.splits.train)} pictures cannot be read, {limit} are allowed "
                f"(max_unreadable={self.recipe.max_unreadable}): {shown}"
            )

    def require_finite(self) -> None:
        """Do nothing while all weights are finite.

        Raises:
            Diverged: one is not.
        """
        name = self.learner.broken_weight()
        if name:
            raise self.diverged(f"the weight {name} is not finite", ())

    def diverged(self, what: str, names: tuple[str, ...]) -> Diverged:
        """Say where the run broke and what is left of it."""
        good = self.folder / checkpoint.FILE
        shown = f", pictures {', '.join(names[:3])} …" if names else ""
        rest = f"the last good state is {good}" if good.is_file() else "no state was written yet"
        return Diverged(
            f"{what} at step {self.step} (epoch {self.epoch + 1}{shown}); {rest}; "
            "a lower lr, more warmup_epochs or clip_norm=1 are the usual cures"
        )

    def where(self) -> Progress:
        """Say where the run is."""
        done, left = self.step - self.first_step, self.recipe.epochs * self.steps - self.step
        rate = done / max(time.monotonic() - self.began, 1e-9)  # steps a second
        return Progress(
            epoch=(self.step - 1) // self.steps + 1,
            epochs=self.recipe.epochs,
            step=(self.step - 1) % self.steps + 1,
            steps=self.steps,
            loss=self.means()["loss"],
            images_per_second=rate * self.recipe.batch,
            seconds_left=left / max(rate, 1e-9),
            score=self.history[-1][f"val_{self.task.metric}"] if self.history else None,
        )


def _seed(seed: int, step: int, rank: int) -> int:
    return (seed * 1_000_003 + step) * 4096 + rank


def _listed(data: Mapping[str, Any]) -> str:
    return f"{data['pictures']} pictures of {len(data['classes'])} classes, {', '.join(data['classes'][:5])} …"
