"""A place for one thing between two threads."""

from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Ended(Exception):
    """Nothing more comes."""


class Handover(Generic[T]):
    """A place for one thing: one thread puts it down, another takes it."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._things: list[T] = []  # none or one
        self._ended = False
        self._error: BaseException | None = None

    def put(self, thing: T) -> bool:
        """Put a thing down when the place is free; return whether it was not ended."""
        with self._changed:
            self._changed.wait_for(lambda: not self._things or self._ended)
            return self._place(thing)

    def replace(self, thing: T) -> bool:
        """Put a thing down at once, in the place of one that nobody took; return whether it was not ended."""
        with self._changed:
            return self._place(thing)

    def take(self) -> T:
        """Wait for a thing and take it.

        Raises:
            Ended: nothing is left, and nothing comes.
            BaseException: what `end` was given, when nothing is left.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._things or self._ended)
            if self._things:
                thing = self._things.pop()
                self._changed.notify_all()
                return thing
            if self._error is not None:
                raise self._error
            raise Ended

    def end(self, error: BaseException | None = None) -> None:
        """Say that no more will come, and why; what lies there can still be taken."""
        with self._changed:
            if not self._ended:
                self._ended, self._error = True, error
            self._changed.notify_all()

    def _place(self, thing: T) -> bool:
        if self._ended:
            return False
        self._things[:] = [thing]
        self._changed.notify_all()
        return True
