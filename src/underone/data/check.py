"""check_data: what is wrong with a data set, before anybody trains on it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Generic, Literal, NamedTuple, TypeVar

from ..errors import BadFile, BadValue
from ..image import read_image
from ..spec import Frozen
from .open_pictures import TEST, TRAIN, VALIDATION, find_part, open_pictures, required_part
from .pictures import Listed, Pictures

T = TypeVar("T", bound=Listed)

TINY = 32  # pixels of the shorter side


class Finding(Frozen):
    """Something about the data that a person should know.

    Attributes:
        level: ``error``: training would fail, or its figures would be wrong; ``warning``: it may be meant so.
        kind: in a word or two, the same for all findings of a kind.
        where: the picture, class or part.
        text: what was found, and what is required.
    """

    level: Literal["error", "warning"]
    kind: str
    where: str
    text: str


class DataReport(Frozen):
    """What a check found.

    Attributes:
        pictures: number of pictures, of all parts.
        counted: what `counts` counts.
        counts: pictures, boxes or pixels of each class, by part.
        findings: in the order of the parts.
    """

    pictures: int
    counted: Literal["pictures", "boxes", "pixels"] = "pictures"
    counts: dict[str, dict[str, int]]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """The number of findings that are errors."""
        return sum(finding.level == "error" for finding in self.findings)


class _Seen(NamedTuple):
    """Where a content was seen first."""

    part: str
    label: str
    name: str


Progress = Callable[[int, int], None]


def check_data(
    root: str | PathLike[str],
    progress: Progress = lambda done, total: None,  # noqa: ARG005
) -> DataReport:
    """Read every picture of a data set for telling classes apart, and say what is wrong.

    Errors: a part or picture that cannot be read, an empty class, fewer than two classes, one content in two parts or
    under two classes. Warnings: a class with one training picture or without pictures in another part, one content
    twice in a class, pictures below 32 pixels.

    Args:
        root: as for `open_splits`.
        progress: told the number of pictures that are done and of all.

    Raises:
        BadFile: there is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise BadFile(f"{root} is no folder; one with train, validation and perhaps test is required")
    parts, findings = _open_parts(root)
    findings += _about_classes(parts)
    total, done, seen = sum(map(len, parts.values())), 0, dict[bytes, _Seen]()
    for name, pictures in parts.items():
        for index in range(len(pictures)):
            findings += _about_picture(name, pictures, index, seen)
            done += 1
            progress(done, total)
    counts = {name: _counts(part) for name, part in parts.items()}
    return DataReport(pictures=total, counts=counts, findings=tuple(findings))


def _open_parts(root: Path) -> tuple[dict[str, Pictures], list[Finding]]:
    """Open what can be opened; the classes are those of the training part."""
    parts: dict[str, Pictures] = {}
    findings = []
    for names, find in ((TRAIN, required_part), (VALIDATION, required_part), (TEST, find_part)):
        classes = parts["train"].classes if "train" in parts else None
        try:
            found = find(root, names)
            if found:
                parts[names[0]] = open_pictures(found, classes)
        except (BadFile, BadValue) as fault:
            findings.append(error("part", names[0], str(fault)))
    return parts, findings


def _about_classes(parts: dict[str, Pictures]) -> Iterator[Finding]:
    for name, pictures in parts.items():
        counts = _counts(pictures)
        if name == "train" and len(counts) < 2:
            yield error("classes", name, f"the training set has {len(counts)} class; 2 or more are required")
        for label, count in counts.items():
            if count == 0:
                level = error if name == "train" else warning
                yield level("empty class", f"{name}/{label}", f"no picture of the class {label!r} in {name}")
            elif count == 1 and name == "train":
                yield warning("one picture", f"{name}/{label}", f"the class {label!r} has one training picture")


def _about_picture(part: str, pictures: Pictures, index: int, seen: dict[bytes, _Seen]) -> Iterator[Finding]:
    here = _Seen(part, pictures.classes[int(pictures.targets[index])], pictures.name(index))
    try:
        content = pictures.read(index)
        height, width = read_image(content).shape[:2]
    except BadFile as fault:
        yield error("unreadable", here.name, f"{here.name}: {fault}")
        return
    if min(height, width) < TINY:
        yield warning("tiny", here.name, f"{here.name} has {width} x {height} pixels; {TINY} or more are sensible")
    first = seen.setdefault(hashlib.sha256(content).digest(), here)
    if first is not here:
        yield _about_twins(first, here)


def _about_twins(first: _Seen, here: _Seen) -> Finding:
    both = f"{first.name} and {here.name} are the same file"
    if first.part != here.part:
        return error(
            "in two parts", here.name, f"{both}, in {first.part} and {here.part}: the score would be flattered"
        )
    if first.label != here.label:
        return error("two classes", here.name, f"{both}, as {first.label!r} and {here.label!r}")
    return warning("twice", here.name, both)


class Place(NamedTuple, Generic[T]):
    """A picture of a part, by its number."""

    part: str
    pictures: T
    number: int

    @property
    def name(self) -> str:
        """Which picture it is."""
        return self.pictures.name(self.number)


def look(place: Place[T], seen: dict[bytes, Place[T]]) -> tuple[tuple[int, int] | None, list[Finding]]:
    """Read a picture, and note its content in `seen`.

    Returns:
        (height, width) in pixels, None where it cannot be read; and what is wrong with it as a file.
    """
    try:
        content = place.pictures.read(place.number)
        height, width = read_image(content).shape[:2]
    except BadFile as fault:
        return None, [error("unreadable", place.name, f"{place.name}: {fault}")]
    first = seen.setdefault(hashlib.sha256(content).digest(), place)
    return (height, width), [] if first is place else [_about_copies(first, place)]


def _about_copies(first: Place[T], here: Place[T]) -> Finding:
    """Say that two places hold the same picture."""
    both = f"{first.name} and {here.name} are the same picture"
    if first.part != here.part:
        return error(
            "in two parts", here.name, f"{both}, in {first.part} and {here.part}: the score would be flattered"
        )
    return warning("twice", here.name, both)


def _counts(pictures: Pictures) -> dict[str, int]:
    found = Counter(pictures.targets.tolist())
    return {label: found[index] for index, label in enumerate(pictures.classes)}


def error(kind: str, where: str, text: str) -> Finding:
    """Return a finding that makes training fail or its figures wrong."""
    return Finding(level="error", kind=kind, where=where, text=text)


def warning(kind: str, where: str, text: str) -> Finding:
    """Return a finding that may be meant so."""
    return Finding(level="warning", kind=kind, where=where, text=text)
