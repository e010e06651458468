"""The command `predict`: many pictures through one engine; a broken one is reported and counted, not fatal."""

import json as json_module
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadFile, BadValue
from ..files import make_folder
from ..image import Url, photograph
from ..runtime import Engine, load
from ..runtime.load import wanted_threads
from ..spec import IMAGENET_PREPARATION
from . import show
from .labels import read_labels

if TYPE_CHECKING:
    from ..post import Classification, Detection, Segmentation

    Answer = Classification | Detection | Segmentation

_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"))


@dataclass(frozen=True)
class Asked:
    """A model and what it is asked about a picture: options of the command, named and documented there."""

    model: Path
    top: int | None
    backend: str
    threads: int | None
    labels: Path | None
    size: int | None
    threshold: float | None
    reduced: bool
    tiled: bool

    @contextmanager
    def opened(self, threads: int | None) -> Iterator[tuple[Engine, dict[str, Any]]]:
        """Open the model and give it with what its `answer` is asked; what is wrong is said before any picture.

        Args:
            threads: of the engine.

        Raises:
            BadFile: the model or the labels cannot be read.
            BadValue: the model neither classifies, detects nor segments, or has fewer classes than `top`, or an option
                is given that its task has not.
        """
        with load(self.model, backend=self.backend, threads=threads) as opened:
            net = opened if self.labels is None else labelled(opened, self.labels)
            options = _options(net, self)
            net.answer(photograph(), **options).top(self.top)
            yield net, options


def predict_pictures(sources: Sequence[str], asked: Asked, save: Path | None, json: bool, fetch: bool) -> int:
    """Ask about pictures and print each answer as soon as it is there; return how many could not be read.

    Raises:
        BadFile: a source matches nothing or is an address without `fetch`, the drawings cannot be written, or as
            `Asked.opened`.
        BadValue: as `Asked.opened`.
    """
    pictures = list(find_pictures(sources, fetch, "--fetch fetches pictures; a video is named alone"))
    drawings = plan_drawings(pictures, save) if save is not None else {}
    failed = 0
    threads = wanted_threads(asked.threads)
    workers = min(len(pictures), threads)
    with asked.opened(threads // workers) as (net, options):
        for path, answer in zip(pictures, net.answers(pictures, workers, **options), strict=True):
            if isinstance(answer, Exception):
                failed += 1
                show.error(f"{path}: {answer}" if str(path) not in str(answer) else str(answer))
                continue
            _print(path, answer, asked.top, json)
            if path in drawings:
                make_folder(drawings[path].parent)
                answer.save(drawings[path])
    if len(pictures) > 1 and not json:
        show.line(f"{len(pictures) - failed} of {len(pictures)} pictures answered")
    return failed


def _options(net: Engine, asked: Asked) -> dict[str, Any]:
    """Return the options of the question about each picture: the task of the network chooses.

    Raises:
        BadValue: an option is given that the task has not.
    """
    task, name = net.spec.task, repr(net.spec.name)
    if asked.reduced and task in ("detect", "segment"):
        raise BadValue(f"--reduced is for classifiers; {name} has the task {task!r}: leave it out")
    if asked.tiled and task != "segment":
        raise BadValue(f"--tiled is for segmenters; {name} has the task {task!r}: leave it out")
    if task == "detect":
        if asked.size is not None:
            raise BadValue(f"--size {asked.size}: the anchors of {name} are for one size; leave it out")
        return {"threshold": asked.threshold}
    if asked.threshold is not None:
        raise BadValue(f"--threshold {asked.threshold}: {name} finds no objects; leave it out")
    finer = {key: True for key in ("reduced", "tiled") if getattr(asked, key)}
    return {"size": None if asked.size is None else (asked.size, asked.size)} | finer


def labelled(net: Engine, labels: Path) -> Engine:
    """Give the classes of a network the names in a text file, one a line.

    Raises:
        BadFile: the file cannot be read, is no text, or holds another number of names than there are classes.
        BadValue: the network is a detector or a segmenter.
    """
    named = {"detect": "detector", "segment": "segmenter"}.get(net.spec.task or "")
    if named is not None:
        raise BadValue(f"--labels {labels}: {net.spec.name!r} is a {named}, whose file names its classes; leave it out")
    names = read_labels(labels)
    classes = net.spec.outputs[0].shape[-1:]
    if classes != (None,) and classes != (len(names),):
        raise BadFile(f"{labels} holds {len(names)} names; {net.spec.name!r} has an output of {classes}")
    return net.as_classifier(net.spec.input.preparation or IMAGENET_PREPARATION, names)


def plan_drawings(pictures: Sequence[Path | Url], save: Path) -> dict[Path | Url, Path]:
    """Say where the drawing of each picture goes: to the file `save`, or below the folder `save`, as pictures lie.

    Those from addresses go where a picture of their name in this folder would.

    Raises:
        BadFile: one file is named for several pictures.
    """
    if len(pictures) == 1 and not save.is_dir():
        return {pictures[0]: save}
    if names_picture(save) or save.is_file():
        raise BadFile(f"--save {save} is one file, there are {len(pictures)} pictures; name a folder")
    places = [Path(one.name if isinstance(one, Url) else one).absolute() for one in pictures]
    root = Path(os.path.commonpath([place.parent for place in places]))
    planned: dict[Path | Url, Path] = {}
    for picture, place in zip(pictures, places, strict=True):
        below = save / place.relative_to(root)
        target = below.with_suffix(".jpg")
        while target in planned.values():
            below = target = below.with_name(below.name + ".jpg")
        planned[picture] = target
    return planned


def names_picture(path: Path) -> bool:
    """Tell whether a path has the suffix of a picture."""
    return path.suffix.lower() in _SUFFIXES


def find_pictures(
    sources: Sequence[str], fetch: bool = False, instead: str = "save it as a file first"
) -> Iterator[Path | Url]:
    """Give the pictures that paths, folders (searched through) and shell patterns stand for, sorted within each.

    Args:
        sources: as a user types them.
        fetch: take addresses too.
        instead: what a user can do about an address that is not taken.

    Raises:
        BadFile: a source matches no picture, or is an address that is not to be fetched.
    """
    for source in sources:
        if "://" in source:
            if not fetch:
                raise BadFile(f"{source} is an address, and nothing is fetched unasked; {instead}")
            yield Url(source)
            continue
        path = Path(source)
        if path.is_dir():
            found = sorted(filter(names_picture, path.rglob("*")))
        elif any(c in source for c in "*?[") and not path.exists():
            anchor = Path(path.anchor or ".")
            found = sorted(anchor.glob(str(path.relative_to(path.anchor) if path.anchor else path)))
        else:
            found = [path]
        if not found:
            raise BadFile(f"{source}: no picture there; {', '.join(sorted(_SUFFIXES))} are looked for")
        yield from found


def _print(path: Path | Url, answer: "Answer", top: int | None, json: bool) -> None:
    if json:
        show.json_line({"source": str(path)} | json_module.loads(answer.to_json(top)))
        return
    stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in answer.speed.items())
    show.line(f"{path}  ({sum(answer.speed.values()):.1f} ms: {stages})", f"{answer.top(top)}")
