"""The command `predict` on a video: frame by frame through one engine, drawn and written while the next is answered."""

import json as json_module
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ..boxes import Tracker
from ..image import photograph
from ..post import Detection
from ..runtime import load
from ..video import Policy, Seen, VideoWriter, stream
from . import progress, show
from .predict import labelled, question

_SUFFIXES = frozenset((".mp4", ".mov", ".mkv", ".m4v", ".avi", ".webm", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".3gp"))


def names_video(source: str) -> bool:
    """Tell whether a source is a video rather than a picture, by its name alone."""
    return source.startswith("camera:") or "://" in source or Path(source).suffix.lower() in _SUFFIXES


def predict_video(
    source: str,
    model: Path,
    save: Path | None,
    policy: Policy | None,
    top: int | None,
    backend: str,
    threads: int | None,
    labels: Path | None,
    size: int | None,
    threshold: float | None,
    json: bool,
) -> None:
    """Ask about every frame; objects keep their numbers. What was drawn before an error or Ctrl-C is kept.

    Raises:
        BadFile: the video or the model cannot be read, the video ends before it should, or the drawing cannot be
            written.
        BadValue: an option is given that the task has not, or the suffix of `save` is of no video.
    """
    told = _Told(json)
    with ExitStack() as stack:
        net = stack.enter_context(load(model, backend=backend, threads=threads))
        named = net if labels is None else labelled(net, labels)
        ask = question(named, size, threshold)
        writer = stack.enter_context(VideoWriter(save)) if save is not None else None
        tracker = Tracker() if named.spec.task == "detect" else None
        ask(photograph()).top(top)  # what is wrong with the model is said before the video is opened
        frames = stream(source, ask, policy=policy)
        stack.callback(frames.close)
        stack.callback(told.finish, source, save)
        step = stack.enter_context(progress.frames(quiet=json))
        for seen in frames:
            answer = seen.answer.followed(tracker) if tracker and isinstance(seen.answer, Detection) else seen.answer
            begun = time.perf_counter()
            if writer is not None:
                writer.write(answer.draw(top), seen.frame.time)
            told.about(seen, answer, top, time.perf_counter() - begun)
            step(seen.frame.index + 1, told.rate())


class _Told:
    """What was said of the frames so far, for the last line."""

    def __init__(self, json: bool) -> None:
        self.json = json
        self.begun = time.perf_counter()
        self.latencies: list[float] = []
        self.stages: list[dict[str, float]] = []
        self.dropped = 0

    def about(self, seen: Seen[Any], answer: Any, top: int | None, drawing: float) -> None:
        """Note a frame, whose drawing took so many seconds; with JSON, print it."""
        self.latencies.append(seen.latency)
        self.stages.append(dict(seen.speed) | {"draw": 1000 * drawing})
        self.dropped += seen.dropped
        if self.json:
            line = {"frame": seen.frame.index, "time": seen.frame.time, "dropped": seen.dropped}
            line |= json_module.loads(answer.to_json(top)) | {"latency_ms": seen.latency}
            sys.stdout.write(json_module.dumps(line) + "\n")

    def rate(self) -> float:
        """Return frames a second so far."""
        return len(self.stages) / (time.perf_counter() - self.begun)

    def finish(self, source: str, save: Path | None) -> None:
        """Print what it took, however it ended."""
        if self.json or not self.stages:
            return
        stages = ", ".join(f"{name} {median(s[name] for s in self.stages):.1f}" for name in self.stages[0])
        late = float(np.percentile(self.latencies, 95))
        show.line(f"{len(self.stages)} frames of {source}, {self.dropped} dropped, {self.rate():.1f} a second")
        show.line(f"median ms: {stages}; 95 % are answered within {late:.1f} ms of their arrival")
        if save is not None:
            show.line(f"drawn: {save}")
