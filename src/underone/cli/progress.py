"""What the commands show while they work, on standard error."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.markup import escape

from .show import err

if TYPE_CHECKING:
    from ..training.result import Progress as Training


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """Give a function that prints a finished step with the time it took; a spinner turns in between."""
    last = time.perf_counter()
    with err.status("starting") as status:

        def done(text: str) -> None:
            nonlocal last
            now = time.perf_counter()
            mark = "[green]✓[/]"
            err.print(f"{mark} [dim]{now - last:6.1f} s[/]  {escape(text)}")
            status.update("working")
            last = now

        yield done


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function (what, done, total) that moves a progress bar on standard error."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("starting")
        yield lambda what, done, total: progress.update(task, description=what, completed=done, total=total)


@contextmanager
def training(quiet: bool = False) -> Iterator[Callable[["Training"], None]]:
    """Give a function that shows where a run is: a bar for the epoch, and a line for each that is done."""
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(TextColumn("{task.description}"), BarColumn(), console=err, transient=True, disable=quiet)
    shown: float | None = None
    with bar:
        task = bar.add_task("starting")

        def update(where: "Training") -> None:
            nonlocal shown
            if where.step == 1 and where.score is not None and not quiet:
                best = "" if shown is None or where.score <= shown else " [green]better[/]"
                shown = max(where.score, shown or 0.0)
                err.print(f"epoch {where.epoch - 1:>3}/{where.epochs}  validation {where.score:5.1f} %{best}")
            left = timedelta(seconds=round(where.seconds_left))  # days, for a whole recipe of the papers
            speed = f"{where.images_per_second:.0f} img/s  {left} left"
            text = f"epoch {where.epoch:>3}/{where.epochs}  loss {where.loss:.3f}  {speed}"
            bar.update(task, description=text, completed=where.step, total=where.steps)

        yield update


@contextmanager
def frames(quiet: bool = False) -> Iterator[Callable[[int, float], None]]:
    """Give a function (frames so far, frames a second) that shows them."""
    if quiet:
        yield lambda *_: None
        return
    with err.status("starting") as status:
        yield lambda count, rate: status.update(f"frame {count}, {rate:.1f} a second")
