"""The commands of training and scoring, behind `underone train` and `underone eval`."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadValue
from . import progress

if TYPE_CHECKING:
    from ..evaluation import ClassScore, DetectionScore, SegmentationScore
    from ..training import TrainingResult


def train_recipe(
    recipe: str,
    changes: Sequence[str],
    data: Path,
    output: Path,
    resume: bool,
    ray: int | None,
    device: str,
    **options: Any,
) -> "TrainingResult":
    """Train with a bar for the epoch that runs; only the first process of several draws, none of Ray's."""
    from ..training import train

    values = dict(map(_key_value, changes))
    if ray is not None:
        from ..training.via_ray import train_on_ray

        return train_on_ray(
            recipe, data, output, processes=ray, device=device, resume=resume, options=options, **values
        )
    with progress.training(quiet=not leads()) as tell:
        return train(recipe, data, output, resume=resume, device=device, progress=tell, **options, **values)


def leads() -> bool:
    """Tell whether this process, of those that a launcher started, is the one that prints."""
    return os.environ.get("RANK", "0") == "0"


def _key_value(text: str) -> tuple[str, Any]:
    """Read ``key=value``; the value as YAML writes numbers, lists and so on."""
    import yaml

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise BadValue(f"{text!r} was given; key=value is required, for example epochs=20")
    try:
        return key, _number(value) if (read := yaml.safe_load(value)) == value else read
    except yaml.YAMLError as error:
        raise BadValue(f"{text!r}: the value cannot be read: {str(error).splitlines()[0]}") from error


def _number(text: str) -> Any:
    """Read what YAML takes for text, such as 1e-4."""
    try:
        return float(text)
    except ValueError:
        return text


def evaluate_model(
    model: Path, data: Path, scales: str, **options: Any
) -> "ClassScore | DetectionScore | SegmentationScore":
    """Score a file of any form, with a bar."""
    from ..evaluation import evaluate

    try:
        factors = tuple(float(text) for text in scales.split(","))
    except ValueError as error:
        raise BadValue(
            f"--scales {scales}: numbers separated by commas are required, for example 0.75,1,1.25"
        ) from error
    with progress.bar() as tell:
        return evaluate(
            model, data, scales=factors, progress=lambda done, total: tell("pictures", done, total), **options
        )


def next_command(result: "TrainingResult") -> str:
    """Say what to do with the weights."""
    weights = Path(result.weights)
    if weights.suffix == ".onnx":
        return f"underone predict PICTURE --model {shlex.quote(str(weights))}"
    return f"underone reparam {shlex.quote(str(weights))} -o {shlex.quote(str(weights.with_suffix('.onnx')))}"
