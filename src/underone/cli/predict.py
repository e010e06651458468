"""The command `predict`: many pictures through one engine; a broken one is reported and counted, not fatal."""

import json as json_module
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadFile
from ..runtime import load
from . import show

if TYPE_CHECKING:
    from ..post import Classification

_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"))


def predict_pictures(
    sources: Sequence[str],
    model: Path,
    save: Path | None,
    top: int,
    backend: str,
    threads: int | None,
    json: bool,
) -> int:
    """Classify pictures and print each answer as soon as it is there; return how many could not be read.

    Raises:
        BadFile: the model cannot be loaded, or a source matches nothing.
    """
    pictures = list(find_pictures(sources))
    if save is not None and len(pictures) > 1:
        save.mkdir(parents=True, exist_ok=True)
    failed = 0
    with load(model, backend=backend, threads=threads) as net:
        for path in pictures:
            try:
                answer = net.classify(path)
            except BadFile as error:
                failed += 1
                show.error(str(error))
                continue
            _print(path, answer, top, json)
            if save is not None:
                answer.save(save / f"{path.stem}.jpg" if len(pictures) > 1 or save.is_dir() else save)
    if len(pictures) > 1 and not json:
        show.line(f"{len(pictures) - failed} of {len(pictures)} pictures answered")
    return failed


def find_pictures(sources: Sequence[str]) -> Iterator[Path]:
    """Give the pictures that paths, folders (searched through) and shell patterns stand for, sorted within each.

    Raises:
        BadFile: a source matches no picture.
    """
    for source in sources:
        path = Path(source)
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES)
        elif any(c in source for c in "*?[") and not path.exists():
            anchor = Path(path.anchor or ".")
            found = sorted(anchor.glob(str(path.relative_to(path.anchor) if path.anchor else path)))
        else:
            found = [path]
        if not found:
            raise BadFile(f"{source}: no picture there; {', '.join(sorted(_SUFFIXES))} are looked for")
        yield from found


def _print(path: Path, answer: "Classification", top: int, json: bool) -> None:
    if json:
        rows = [{"index": b.index, "name": b.name, "score": round(b.score, 6)} for b in answer.top(top)]
        sys.stdout.write(json_module.dumps({"source": str(path), "top": rows, "speed_ms": dict(answer.speed)}) + "\n")
        return
    total = sum(answer.speed.values())
    show.line(f"{path}  ({total:.1f} ms: {', '.join(f'{k} {v:.1f}' for k, v in answer.speed.items())})")
    for best in answer.top(top):
        show.line(f"  {best.score:6.1%}  {best.name}")
