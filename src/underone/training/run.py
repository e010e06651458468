"""train: a recipe and pictures → weights. The one loop, in order of execution.

Everything random follows from the recipe's seed and the step, so that a run that was cut off anywhere goes on from its
last state to the same weights, bit for bit on a CPU.
"""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..data import open_splits
from ..data.open_pictures import Splits
from ..data.order import steps_of
from ..errors import BadFile, BadValue, Diverged
from ..evaluation import ClassScore
from ..nn.training_form import use_training_forms
from ..spec import Frozen
from ..weights import save_weights
from . import checkpoint, run_folder
from .batches import Batch, Unreadable, epoch_batches
from .classification import Classification
from .distribution import Group, choose_device, joined_group
from .optimization import Average, make_optimizer, set_rates
from .recipe import Recipe
from .recipes import recipe_of
from .schedules import rates_at, stage_at
from .signals import Stop, held_signals

SAVE_SECONDS = 120.0
_DRAWN = 3  # batches of the first epoch
TASKS = {"classify": Classification}


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
        weights: file of the kept weights, in the training form.
        best_epoch: from 1, whose weights were kept.
        validation: score of the kept weights on the validation pictures.
        test: the same on the test pictures; None where there are none.
        seconds: that training and validation took, all parts of the run together.
    """

    folder: str
    weights: str
    best_epoch: int
    validation: ClassScore
    test: ClassScore | None
    seconds: float


def train(
    recipe: Recipe | str,
    data: str | PathLike[str],
    output: str | PathLike[str],
    *,
    resume: bool = False,
    device: str = "auto",
    workers: int = 1,
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
        workers: processes that read pictures ahead.
        save_seconds: time between two states on disk; one is written after every epoch too.
        loggers: ``tensorboard``, ``trackio``.
        progress: told after each step.
        changes: other values for fields of the recipe.

    Returns:
        The scores of the weights that were best on the validation pictures, and where they are.

    Raises:
        UnknownName: no such recipe, key, model, weights or logger.
        BadValue: a value that does not fit; the folder holds a run and `resume` is not set, or one of another recipe.
        BadFile: the data or the folder cannot be read or written; too many pictures are unreadable.
        Diverged: the loss or a weight became NaN or infinite.
        MissingExtra: the package of a logger is not installed.
    """
    recipe = (recipe_of(recipe) if isinstance(recipe, str) else recipe).changed(**changes)
    with joined_group(device) as group:
        run = Run(recipe, open_splits(data), Path(output), group, choose_device(device, group), workers, save_seconds)
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
        self, recipe: Recipe, splits: Splits, folder: Path, group: Group, device: torch.device, workers: int,
        save_seconds: float,
    ) -> None:  # fmt: skip
        self.recipe, self.splits, self.folder, self.group, self.device = recipe, splits, folder, group, device
        self.workers, self.save_seconds = workers, save_seconds
        self.steps = steps_of(len(splits.train), recipe.batch)
        self.task = TASKS[recipe.task](recipe, splits.train, device)
        self.model = self.task.model
        if recipe.channels_last:
            self.model.to(memory_format=torch.channels_last)
        self.average = Average(self.model, recipe.ema) if recipe.ema else None
        if recipe.sync_norms and group.world > 1:
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)  # type: ignore[no-untyped-call]
        self.forms = use_training_forms(self.model, recipe.forms)
        self.optimizer = make_optimizer(self.model, recipe)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "float16")
        spread = group.spread(self.model, device)
        self.forward: Callable[[Tensor], Tensor] = torch.compile(spread) if recipe.compile else spread
        self.spread = spread
        self.loggers: list[run_folder.Logger] = []

        self.step = 0  # over all epochs
        self.sums = {"loss": 0.0, "right": 0.0, "seen": 0.0}  # of this epoch so far
        self.history: list[dict[str, float]] = []  # one row an epoch
        self.best = {"epoch": 0, "score": -math.inf}
        self.unreadable: dict[str, str] = {}
        self.seconds = 0.0

    @property
    def epoch(self) -> int:
        """The epoch that the next step belongs to, from 0."""
        return self.step // self.steps

    @property
    def kept(self) -> nn.Module:
        """The model that is validated and kept: the average, where there is one."""
        return self.average.model if self.average else self.task.model

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
        for batch in epoch_batches(self.splits.train, self.recipe, stage, epoch, first, self.group, self.workers):
            if self.step < _DRAWN and self.group.leads:
                run_folder.draw_batch(self.folder, self.step, batch, self.splits.train.classes)
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
        set_rates(self.optimizer, rates_at(self.recipe, self.step, self.steps))
        self.spread.train()
        images, targets = self.task.inputs(batch)
        if self.recipe.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        loss = self.note(self.gradients(images, targets), len(images))
        if not math.isfinite(loss):
            raise self.diverged(f"the loss is {loss}", batch.names)
        if self.recipe.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(self.model, self.step)

    def gradients(self, images: Tensor, targets: Tensor) -> tuple[float, int]:
        """Add up the gradients of all parts of a batch; return its summed loss and how many answers are right."""
        loss, right, parts = 0.0, 0, self.recipe.accumulate
        pieces = list(zip(images.chunk(parts), targets.chunk(parts), strict=True))
        dtype = getattr(torch, self.recipe.precision)
        for index, (part, wanted) in enumerate(pieces):
            with self.without_exchange(index < len(pieces) - 1):
                with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
                    logits = self.forward(part)
                value = self.task.loss(logits, part, wanted)
                # processes are averaged: the sum over a share of the batch becomes the mean over all of it
                self.scaler.scale(value / self.recipe.batch * self.group.world).backward()  # type: ignore[no-untyped-call]
            loss += float(value.detach())
            right += self.task.right(logits, wanted)
        return loss, right

    def note(self, found: tuple[float, int], seen: int) -> float:
        """Add a step's loss and right answers, of all processes, to the epoch's sums; return the loss."""
        loss, right, total = self.group.total(*found, seen)
        self.sums = {
            "loss": self.sums["loss"] + loss,
            "right": self.sums["right"] + right,
            "seen": self.sums["seen"] + total,
        }
        return loss

    def without_exchange(self, partial: bool) -> Any:
        """Leave the processes' gradients apart until the last part of a batch."""
        return self.spread.no_sync() if partial and self.group.world > 1 else nullcontext()  # type: ignore[operator]

    def end_epoch(self) -> None:
        """Validate, note the epoch, keep the weights if they are the best so far."""
        if self.group.leads:
            score = self.task.evaluate(self.kept, self.splits.validation)
            self.history.append(self.row(score))
            self.keep_best(score)
            run_folder.note_epoch(self.folder, self.history, self.loggers)
        self.history = self.group.share(self.history)
        self.sums = dict.fromkeys(self.sums, 0.0)
        self.save()

    def row(self, score: ClassScore) -> dict[str, float]:
        """Return the figures of the epoch that ends now."""
        rates, seen = rates_at(self.recipe, self.step - 1, self.steps), max(self.sums["seen"], 1)
        return {
            "epoch": self.epoch,
            "step": self.step,
            "lr": rates.lr,
            "weight_decay": rates.weight_decay,
            "size": stage_at(self.recipe, self.epoch - 1).size,
            "train_loss": self.sums["loss"] / seen,
            "train_top1": 100 * self.sums["right"] / seen,
            "val_loss": score.loss,
            "val_top1": score.top1,
            "val_balanced": score.balanced,
            "seconds": time.monotonic() - self.started,
        }

    def keep_best(self, score: ClassScore) -> None:
        """Write the weights if no earlier epoch was as good."""
        value = getattr(score, self.task.metric)
        if value > self.best["score"]:
            self.best = {"epoch": self.epoch, "score": value}
            self.require_finite()
            save_weights(self.kept, run_folder.weights_file(self.folder))

    def finish(self) -> TrainingResult:
        """Score the kept weights and draw what the run did."""
        return cast(TrainingResult, self.group.share(self.result() if self.group.leads else None))

    def result(self) -> TrainingResult:
        """Score the kept weights, and write that."""
        self.kept.load_state_dict(run_folder.read_best(self.folder, self.kept))
        result = TrainingResult(
            folder=str(self.folder),
            weights=str(run_folder.weights_file(self.folder)),
            best_epoch=int(self.best["epoch"]),
            validation=self.task.evaluate(self.kept, self.splits.validation),
            test=self.task.evaluate(self.kept, self.splits.test) if self.splits.test else None,
            seconds=self.history[-1]["seconds"],
        )
        run_folder.finish(self.folder, result, self.splits, self.unreadable)
        return result

    def save(self) -> None:
        """Write the state of the run, unless a weight is not finite."""
        if not self.group.leads:
            return
        self.require_finite()
        self.seconds = time.monotonic() - self.started
        state = {
            "recipe": self.recipe.model_dump_json(),
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict() if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "forms": self.forms,
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
            BadValue: it is of another recipe.
        """
        stored = Recipe.model_validate_json(state["recipe"])
        differing = [key for key in Recipe.model_fields if getattr(stored, key) != getattr(self.recipe, key)]
        if differing:
            raise BadValue(
                f"{self.folder} is a run with another "
                + ", ".join(f"{key}={getattr(stored, key)!r} (now {getattr(self.recipe, key)!r})" for key in differing)
                + "; resume it with its own recipe.yaml, or name another folder"
            )
        self.forms = use_training_forms(self.model, state["forms"])
        self.model.load_state_dict(state["model"])
        if self.average:
            self.average.model.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
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
        for name, value in self.model.state_dict().items():
            if not torch.isfinite(value).all():
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
            loss=self.sums["loss"] / max(self.sums["seen"], 1),
            images_per_second=rate * self.recipe.batch,
            seconds_left=left / max(rate, 1e-9),
            score=self.history[-1].get("val_top1") if self.history else None,
        )


def _seed(seed: int, step: int, rank: int) -> int:
    return (seed * 1_000_003 + step) * 4096 + rank
