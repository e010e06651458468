"""Plots and picture sheets of a run."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Pictures
from ..data.pictures import Listed
from ..errors import BadFile, MissingExtra
from ..evaluation import ClassScore
from ..files import atomic_write
from ..image import Pixels, read_image
from ..image.sheet import sheet as image_sheet
from .recipe import Recipe
from .schedules import Rates, stage_at


def sheet(
    path: Path, pictures: Sequence[Pixels], texts: Sequence[str], wrong: Sequence[bool] = (),
    tile: tuple[int, int] = (160, 160),
) -> None:  # fmt: skip
    """Write a sheet as JPEG; see `image.sheet`."""
    image_sheet(pictures, texts, wrong, tile).save(path, "JPEG", quality=88)


def comparisons(
    path: Path, pictures: Listed, rows: Sequence[int], compared: Callable[[int, Pixels], tuple[Pixels, Pixels, str]]
) -> None:
    """Write pictures side by side, with what is right and with what is said; nothing where none can be read.

    Args:
        path: of the JPEG file.
        pictures: of the list.
        rows: which of them; those that cannot be read any more are left out.
        compared: draws one picture twice, and says what stands below.
    """
    drawn, texts = [], []
    for row in rows:
        try:
            right, said, text = compared(row, read_image(pictures.read(row)))
        except BadFile:
            continue
        drawn.append(np.concatenate([right, said], axis=1))
        texts.append(text)
    if drawn:
        with atomic_write(path) as temporary:
            sheet(temporary, drawn, texts, tile=(640, 240))


def mistakes(path: Path, score: ClassScore, pictures: Pictures) -> None:
    """Write the pictures that a classifier is most wrong about; nothing where it is always right."""
    names = {pictures.name(i): i for i in range(len(pictures))} if score.worst else {}
    found, texts = [], []
    for mistake in score.worst:
        try:
            found.append(read_image(pictures.read(names[mistake.picture])))
            texts.append(f"{mistake.target}: {mistake.answer} {mistake.score:.0%}")
        except BadFile:  # removed since
            continue
    if found:
        with atomic_write(path) as temporary:
            sheet(temporary, found, texts, [True] * len(found))


def schedule(path: Path, epochs: Sequence[float], rates: Sequence[Rates], recipe: Recipe) -> None:
    """Draw learning rate, weight decay and picture size over the epochs."""
    figure, (first, second, third) = _figure(3)
    first.plot(epochs, [r.lr for r in rates], color="#2563eb")
    second.plot(epochs, [r.weight_decay for r in rates], color="#0d9488")
    third.step(range(recipe.epochs), [stage_at(recipe, e).size for e in range(recipe.epochs)], color="#d97706")
    for axes, title in zip((first, second, third), ("learning rate", "weight decay", "picture size (px)"), strict=True):
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("epoch")
        axes.set_ylim(bottom=0)
    _save(figure, path)


def results(path: Path, history: Sequence[Mapping[str, float]], metric: str) -> None:
    """Draw loss and metric of every epoch, of training and validation where the table has them."""
    figure, both = _figure(2)
    epochs = [row["epoch"] for row in history]
    for axes, name, title in zip(both, ("loss", metric), ("loss", f"{metric} (%)"), strict=True):
        for part, color, label in (("train", "#9ca3af", "training"), ("val", "#2563eb", "validation")):
            if f"{part}_{name}" in history[0]:
                axes.plot(epochs, [row[f"{part}_{name}"] for row in history], color=color, marker=".", label=label)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("epoch")
        axes.legend(frameon=False)
    # the first validation of batch norms that have seen one epoch can be tens of times the rest
    both[0].set_ylim(top=min(both[0].get_ylim()[1], 2 * max(row["train_loss"] for row in history)))
    _save(figure, path)


def confusion(path: Path, counts: Sequence[Sequence[int]], names: Sequence[str], title: str) -> None:
    """Draw which class (row) is taken for which (column), in percent of the right class."""
    matrix = np.array(counts, float)
    shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = max(4.0, min(16.0, 0.5 * len(matrix) + 2))
    figure, (axes,) = _figure(1, (side, side))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    if len(matrix) <= 25:
        for row, column in np.ndindex(matrix.shape):
            if matrix[row, column]:
                color = "white" if shares[row, column] > 50 else "#111827"
                axes.text(column, row, int(matrix[row, column]), ha="center", va="center", color=color, fontsize=8)
        axes.set_xticks(range(len(matrix)), names, rotation=60, ha="right")
        axes.set_yticks(range(len(matrix)), names)
    axes.set_xlabel("said")
    axes.set_ylabel("right")
    axes.set_title(title, fontsize=10)
    _save(figure, path)


def curves(path: Path, names: Sequence[str], precisions: Sequence[Sequence[float]]) -> None:
    """Draw the precision of each class over its recall, both in percent; twenty classes at the most."""
    figure, (axes,) = _figure(1, (5.5, 4.0))
    for name, values in list(zip(names, precisions, strict=True))[:20]:
        axes.plot(np.linspace(0, 100, len(values)), values, label=name)
    axes.set_xlabel("recall (%)")
    axes.set_ylabel("precision (%)")
    axes.set_title("overlap 0.5", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    _save(figure, path)


def _figure(count: int, size: tuple[float, float] | None = None) -> tuple[Any, Sequence[Any]]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("the plots of a run", "matplotlib", "report") from error
    figure = Figure(figsize=size or (4.2 * count, 3.0), layout="constrained")
    return figure, np.atleast_1d(figure.subplots(1, count)).tolist()


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110, format="png")
