"""The time a live stream goes by; a test passes one of its own."""

import time
from threading import Event
from typing import Protocol


class Clock(Protocol):
    """A clock that one can wait by."""

    def now(self) -> float:
        """Return seconds from any fixed moment."""

    def wait(self, moment: float, stopped: Event) -> None:
        """Return when `now()` has reached `moment`, or when stopped."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Return seconds from a fixed moment."""
        return time.perf_counter()

    def wait(self, moment: float, stopped: Event) -> None:
        """Return when `now()` has reached `moment`, or when stopped."""
        stopped.wait(max(0.0, moment - self.now()))
