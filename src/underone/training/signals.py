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


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_signals() -> Iterator[Stop]:
    """Note the first SIGINT or SIGTERM instead of raising; the second acts at once. Only in the main thread."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  signal's own form
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    for number in _SIGNALS:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_signals(worker: int) -> None:  # noqa: ARG001  torch's own form
    """Let the training process stop this worker: Ctrl-C and service managers signal all processes of a run at once."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
