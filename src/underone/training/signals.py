"""Ctrl-C and SIGTERM wait until a step is whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Stop:
    """Whether somebody asked the run to stop."""

    asked: bool = False


@contextmanager
def held_signals() -> Iterator[Stop]:
    """Note the first SIGINT or SIGTERM instead of raising; the second acts at once. Only in the main thread."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  signal's own form
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    for number in signals:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
