"""The command `predict` on a video: frame by frame through one engine, drawn and written while the next is answered."""

import json as json_module
import re
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ..boxes import Tracker
from ..post import Detection
from ..video import Policy, Seen, VideoWriter, stream
from . import progress, show
from .predict import Asked, names_picture
from .window import Window

_REMEMBERED = 10_000  # frames that the last line speaks of: a camera has no end
_SUFFIXES = frozenset((".mp4", ".mov", ".mkv", ".m4v", ".avi", ".webm", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".3gp"))


def names_video(source: str) -> bool:
    """Tell whether a source is a video rather than a picture, by its name alone."""
    if "://" in source:
        return not names_picture(Path(re.split("[?#]", source)[0]))
    return source.startswith("camera:") or Path(source).suffix.lower() in _SUFFIXES


def predict_video(
    source: str, asked: Asked, save: Path | None, policy: Policy | None, json: bool, in_window: bool
) -> None:
    """Ask about every frame; objects keep their numbers. What was drawn before an error or Ctrl-C is kept.

    The work ends when the window is closed.

    Raises:
        BadFile: the video cannot be read or ends before it should, the drawing cannot be written, or as `Asked.opened`.
        BadValue: the suffix of `save` is of no video, there is no display for a window, or as `Asked.opened`.
        Unsupported: this Python has no windows.
    """
    told = _Told(json)
    with ExitStack() as stack:
        net, options = stack.enter_context(asked.opened(asked.threads))
        writer = stack.enter_context(VideoWriter(save)) if save is not None else None
        window = stack.enter_context(Window(source)) if in_window else None
        tracker = Tracker() if net.spec.task == "detect" else None
        frames = stream(source, net, policy=policy, **options)
        stack.callback(frames.close)
        stack.callback(told.finish, source, save)
        step = stack.enter_context(progress.frames(quiet=json))
        for seen in frames:
            answer = seen.answer.followed(tracker) if tracker and isinstance(seen.answer, Detection) else seen.answer
            begun = time.perf_counter()
            is_open = True
            if writer is not None or window is not None:
                drawn = answer.draw(asked.top)
                if writer is not None:
                    writer.write(drawn, seen.frame.time)
                is_open = window is None or window.show(drawn)
            told.about(seen, answer, asked.top, time.perf_counter() - begun)
            step(seen.frame.index + 1, told.rate())
            if not is_open:
                break


class _Told:
    """What was said of the frames so far, for the last line."""

    def __init__(self, json: bool) -> None:
        self.json = json
        self.begun = time.perf_counter()
        self.latencies = deque[float](maxlen=_REMEMBERED)
        self.stages = deque[dict[str, float]](maxlen=_REMEMBERED)
        self.frames = self.dropped = 0

    def about(self, seen: Seen[Any], answer: Any, top: int | None, drawing: float) -> None:
        """Note a frame, whose drawing took so many seconds; with JSON, print it."""
        self.latencies.append(seen.latency)
        self.stages.append(dict(seen.speed) | {"draw": 1000 * drawing})
        self.dropped += seen.dropped
        self.frames += 1
        if self.json:
            line = {"frame": seen.frame.index, "time": seen.frame.time, "dropped": seen.dropped}
            line |= json_module.loads(answer.to_json(top)) | {"latency_ms": seen.latency}
            show.json_line(line)

    def rate(self) -> float:
        """Return frames a second so far."""
        return self.frames / (time.perf_counter() - self.begun)

    def finish(self, source: str, save: Path | None) -> None:
        """Print what it took, however it ended."""
        if self.json or not self.stages:
            return
        stages = ", ".join(f"{name} {median(s[name] for s in self.stages):.1f}" for name in self.stages[0])
        late = float(np.percentile(self.latencies, 95))
        show.line(f"{self.frames} frames of {source}, {self.dropped} dropped, {self.rate():.1f} a second")
        show.line(f"median ms: {stages}; 95 % are answered within {late:.1f} ms of their arrival")
        if save is not None:
            show.line(f"drawn: {save}")
