"""Many processes by Ray Train: each of its workers calls the same `train`."""

from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import BadValue, MissingExtra, UnderOneError
from . import checkpoint, run_folder
from .distribution import kind_of_device
from .recipe import Recipe
from .recipes import recipe_of
from .result import TrainingResult
from .run import train


def train_on_ray(
    recipe: Recipe | str,
    data: str | PathLike[str],
    output: str | PathLike[str],
    *,
    processes: int,
    device: str = "auto",
    restarts: int = 3,
    resume: bool = False,
    options: dict[str, Any] | None = None,
    **changes: Any,
) -> TrainingResult:
    """Train on the workers of a Ray cluster, or of one that is started on this machine.

    All workers must see `data` and `output` under the same path. After a worker died all of them start again from the
    run's last state.

    Args:
        recipe: as for `train`.
        data: as for `train`.
        output: folder of the run; Ray's own files go into ``ray`` below it.
        processes: number of workers; batch and learning rate are those of all together.
        device: of each worker, ``cpu`` or ``cuda``; ``auto``: ``cuda`` where the machine that calls this has it.
        restarts: how many deaths of workers are forgiven.
        resume: as for `train`.
        options: other arguments of `train`: workers, save_seconds, loggers.
        changes: other values for fields of the recipe.

    Raises:
        MissingExtra: Ray Train is not installed.
        BadValue: as `train`; the device is ``mps``; or the workers failed more than `restarts` times.
        UnderOneError: what `train` raised in a worker.
    """
    if device == "mps":
        raise BadValue("the device mps was asked of Ray, whose workers train on cpu or cuda; name one of these")
    try:
        from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
        from ray.train.torch import TorchTrainer
    except ImportError as error:
        raise MissingExtra("training on Ray", "ray[train]", "ray") from error
    if processes < 1:
        raise BadValue(f"{processes} processes were asked of Ray; 1 or more are required")
    recipe = (recipe_of(recipe) if isinstance(recipe, str) else recipe).changed(**changes)
    folder = Path(output).resolve()
    if checkpoint.has_state(folder) and not resume:
        raise BadValue(f"{folder} holds a run already; resume it (resume=True), or name another folder")
    device = "cuda" if kind_of_device(device) == "cuda" else "cpu"
    given = {"data": str(Path(data).resolve()), "output": str(folder), "device": device, **(options or {})}
    trainer = TorchTrainer(
        _work,
        train_loop_config={"recipe": recipe.model_dump_json(), "given": given},
        scaling_config=ScalingConfig(num_workers=processes, use_gpu=device == "cuda"),
        run_config=RunConfig(name="ray", storage_path=str(folder), failure_config=FailureConfig(max_failures=restarts)),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        raise _cause(error, restarts) from error
    return run_folder.read_result(folder)


def _work(config: dict[str, Any]) -> None:
    """Train in one worker, whose variables RANK, WORLD_SIZE and LOCAL_RANK Ray has set."""
    train(Recipe.model_validate_json(config["recipe"]), resume=True, **config["given"])


def _cause(error: Any, restarts: int) -> UnderOneError:
    """Return our own error that a worker raised, or one that says how it ended."""
    failures = list(getattr(error, "worker_failures", {}).values())
    for failure in failures:
        if isinstance(failure, UnderOneError):
            return failure
    reason = str(failures[0] if failures else error).strip().splitlines()[-1]
    return BadValue(f"the workers of Ray failed {restarts + 1} times, the last time with: {reason}")
