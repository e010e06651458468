"""What learns: the network in this process, its averaged copy and its optimiser."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ..nn.drop_path import set_drop_path
from ..nn.synchronise import synchronise_norms
from ..nn.training_form import use_training_forms
from .distribution import Group
from .optimization import Average, freeze, make_optimizer, set_rates
from .range_penalty import channels_apart
from .recipe import Recipe
from .schedules import Rates
from .task import Task


class Learner:
    """Takes the steps of the optimiser.

    Args:
        task: gives the model and its loss.
        recipe: how to train.
        group: the processes of the run.
        device: of this one.
    """

    def __init__(self, task: Task, recipe: Recipe, group: Group, device: torch.device) -> None:
        self.task, self.recipe, self.group, self.device = task, recipe, group, device
        self.model = task.model
        if recipe.channels_last:
            self.model.to(memory_format=torch.channels_last)
        if recipe.drop_path:
            set_drop_path(self.model, recipe.drop_path)
        self.average = Average(self.model, recipe.ema) if recipe.ema else None
        if recipe.sync_norms and group.world > 1:
            synchronise_norms(self.model, device)
        self.forms = use_training_forms(self.model, recipe.forms)
        freeze(self.model, recipe.frozen)
        self.optimizer = make_optimizer(self.model, recipe)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "float16")
        self.spread = group.spread(self.model, device)
        self.forward: Callable[[Tensor], Any] = torch.compile(self.spread) if recipe.compile else self.spread

    @property
    def kept(self) -> nn.Module:
        """The model that is validated and kept: the average, where there is one."""
        return self.average.model if self.average else self.task.model

    def gradients(self, images: Tensor, targets: Tensor) -> dict[str, float]:
        """Add up the gradients of all parts of a batch.

        Args:
            images: (N, 3, H, W), of this process.
            targets: (N, …).

        Returns:
            Sums over the pictures of all processes: ``loss``, the task's figures, and ``seen``, their number.
        """
        self.spread.train()
        if self.recipe.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        parts = self.recipe.accumulate
        halves = zip(images.tensor_split(parts), targets.tensor_split(parts), strict=True)  # as even as can be
        pieces = [pair for pair in halves if len(pair[0])]
        found = []
        for index, (part, wanted) in enumerate(pieces):
            with self._without_exchange(index < len(pieces) - 1):
                found.append(self._backward(part, wanted))
        sums = {name: sum(one[name] for one in found) for name in found[0]} | {"seen": float(len(images))}
        return dict(zip(sums, self.group.total(*sums.values()), strict=True))

    def _backward(self, images: Tensor, targets: Tensor) -> dict[str, float]:
        """Add the gradients of a part; return its sums."""
        dtype = getattr(torch, self.recipe.precision)
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            outputs = self.forward(images)
        loss, figures = self.task.loss(outputs, images, targets)
        if self.recipe.range_penalty:
            figures = {**figures, "apart": channels_apart(self.model).to(loss) * len(images)}
            loss = loss + self.recipe.range_penalty * figures["apart"]
        # processes are averaged: the sum over a share of the batch becomes the mean over all of it
        self.scaler.scale(loss / self.recipe.batch * self.group.world).backward()  # type: ignore[no-untyped-call]
        return {name: float(value.detach()) for name, value in {"loss": loss, **figures}.items()}

    def _without_exchange(self, partial: bool) -> Any:
        """Leave the processes' gradients apart until the last part of a batch."""
        return self.spread.no_sync() if partial and self.group.world > 1 else nullcontext()  # type: ignore[operator]

    def update(self, rates: Rates, step: int) -> None:
        """Move the weights by the gradients, and the average after them.

        Args:
            rates: of this step.
            step: from 0, over all epochs.
        """
        set_rates(self.optimizer, rates)
        if self.recipe.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(self.model, step)

    def broken_weight(self) -> str | None:
        """Return the name of a weight that is not finite, if there is one."""
        return next((name for name, value in self.model.state_dict().items() if not torch.isfinite(value).all()), None)

    def state(self) -> dict[str, Any]:
        """Return what a resumed run takes up."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict() if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "forms": self.forms,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self.forms = use_training_forms(self.model, state["forms"])
        self.model.load_state_dict(state["model"])
        if self.average:
            self.average.model.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
