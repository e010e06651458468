"""A network on a video: reading, answering and the caller's own work at the same time, in a bounded number of slots."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from os import PathLike, fspath
from threading import Event, Semaphore, Thread
from typing import Any, Literal

from ..errors import BadValue
from ..image import Picture, Pixels, Planes, read_image
from ..runtime import Engine
from .clock import Clock, SystemClock
from .frame import Frame, Seen
from .from_video import VideoSource
from .handover import Ended, Handover

Policy = Literal["every", "latest"]
Source = str | PathLike[str] | Iterable[Picture]
_SLOTS = 3  # one frame is read, one is answered, one is with the caller


def stream(
    source: Source,
    net: Engine | Callable[[Pixels], Any],
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    **options: Any,
) -> Generator[Seen[Any]]:
    """Ask a network about every frame of a video while the next one is read and the caller works on the last.

    With ``policy="every"`` each frame is answered, in order, the source waits, and three frames are in memory at the
    most. With ``"latest"`` the network takes the newest frame when it is free and older ones are dropped; five frames
    are in memory at the most. A file is then played by its own times, as a camera would give it.

    Args:
        source: path of a video, address of a stream (``rtsp://…``), ``camera:0``, or pictures of any kind that
            `read_image` takes.
        net: an engine, or a function from a picture (H, W, 3) to an answer.
        policy: None: ``"latest"`` for cameras and addresses, ``"every"`` for all else.
        clock: the time that a live stream goes by; None: the machine's.
        options: of `classify`, `detect` or `segment`, whichever the engine's spec says; or of the function.

    Returns:
        An iterator of frames with answers; closing it, once it was begun, gives source and threads back.

    Raises:
        MissingExtra: PyAV is not installed.
        BadValue: another policy, or an engine that does not say its task.
        BadFile: the source cannot be opened. While it is read: after the last good frame, the source is damaged, cut
            short or gone.

    >>> for seen in stream("street.mp4", net):  # doctest: +SKIP
    ...     print(seen.frame.time, seen.answer.top(3))
    """
    if policy not in (None, "every", "latest"):
        raise BadValue(f"policy={policy!r}; 'every' or 'latest' is required")
    ask = _question(net, options) if isinstance(net, Engine) else _on_pictures(partial(net, **options))
    opened = VideoSource(fspath(source)) if isinstance(source, str | PathLike) else _Pictures(source)
    chosen = policy or ("latest" if opened.live else "every")
    return _Run(opened, ask, chosen, clock or SystemClock()).seen()


def _question(net: Engine, options: Mapping[str, Any]) -> Callable[[Frame], Any]:
    if net.spec.task not in ("classify", "detect", "segment"):
        raise BadValue(f"{net.spec.name!r} does not say its task; pass a function from a picture to an answer")
    return lambda frame: net.answer(frame.source, **options)


def _on_pictures(ask: Callable[[Pixels], Any]) -> Callable[[Frame], Any]:
    return lambda frame: ask(frame.picture)


@dataclass
class _Pictures:
    """Pictures in a row, as a source; their times are their places."""

    pictures: Iterable[Picture]
    live = False

    def __iter__(self) -> Iterator[Frame]:
        sources = (one if isinstance(one, Planes) else read_image(one) for one in self.pictures)
        return (Frame(i, float(i), source) for i, source in enumerate(sources))

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class _Run:
    """The threads of one stream and what they share."""

    source: VideoSource | _Pictures
    ask: Callable[[Frame], Any]
    policy: Policy
    clock: Clock
    stopped: Event = field(default_factory=Event)
    free: Semaphore = field(default_factory=lambda: Semaphore(_SLOTS))
    taken: "Handover[_Taken]" = field(default_factory=Handover)
    answered: "Handover[Seen[Any]]" = field(default_factory=Handover)

    def seen(self) -> Generator[Seen[Any]]:
        """Give what was seen; the threads end with the generator."""
        threads = [Thread(target=target, daemon=True) for target in (self._read, self._answer)]
        for thread in threads:
            thread.start()
        try:
            while True:
                yield self.answered.take()
                self.free.release()
        except Ended:
            return
        finally:
            self._stop()
            for thread in threads:
                thread.join()
            self.source.close()

    def _stop(self) -> None:
        self.stopped.set()
        self.free.release()
        self.taken.end()
        self.answered.end()

    def _read(self) -> None:
        try:
            (self._read_every if self.policy == "every" else self._read_latest)()
        except Exception as error:  # whatever it is belongs to the caller's thread
            self.taken.end(error)
        self.taken.end()

    def _read_every(self) -> None:
        frames = iter(self.source)
        while True:
            self.free.acquire()
            start = self.clock.now()
            frame = next(frames, None)
            if frame is None or not self.taken.put(_Taken(frame, start, self.clock.now())):
                return

    def _read_latest(self) -> None:
        begun, start = None, self.clock.now()
        for frame in self.source:
            if not self.source.live:
                begun = self.clock.now() if begun is None else begun
                self.clock.wait(begun + frame.time, self.stopped)
            if self.stopped.is_set() or not self.taken.replace(_Taken(frame, start, self.clock.now())):
                return
            start = self.clock.now()

    def _answer(self) -> None:
        last: int | None = -1
        try:
            while last is not None:
                last = self._answer_one(last)
        except Ended:
            self.answered.end()
        except Exception as error:  # belongs to the caller's thread
            self.answered.end(error)

    def _answer_one(self, last: int) -> int | None:
        """Answer the next frame; `last` is the index of the one before. Return its own, or None: nobody listens."""
        taken = self.taken.take()
        return taken.frame.index if self.answered.put(self._asked(taken, last)) else None

    def _asked(self, taken: "_Taken", last: int) -> Seen[Any]:
        begun = self.clock.now()
        answer = self.ask(taken.frame)
        speed = {"read": taken.arrived - taken.start, "queue": begun - taken.arrived}
        stages = {stage: 1000 * seconds for stage, seconds in speed.items()} | dict(getattr(answer, "speed", {}))
        latency = 1000 * (self.clock.now() - taken.arrived)
        return Seen(taken.frame, answer, taken.frame.index - last - 1, latency, stages)


@dataclass(frozen=True, eq=False)
class _Taken:
    """A frame, and when reading it began and ended."""

    frame: Frame
    start: float
    arrived: float
