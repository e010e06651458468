"""Fields: a message of Caffe, from text or from bytes, each value checked when it is asked for."""

from typing import Any

from ...errors import BadFile

Value = Any  # str, int, float, bool or Fields


class Fields:
    """The fields of one message by name; every one may stand several times."""

    def __init__(self, owner: str) -> None:
        """Make an empty message.

        Args:
            owner: the file's name and the place in it, for errors.
        """
        self.owner = owner
        self._values: dict[str, list[Value]] = {}

    def __contains__(self, name: str) -> bool:
        """Say whether a field is there."""
        return name in self._values

    def add(self, name: str, value: Value) -> None:
        """Add a value of a field."""
        self._values.setdefault(name, []).append(value)

    def text(self, name: str, default: str = "") -> str:
        """Give a text or a name of an enumeration; the last one counts."""
        value = self._values.get(name, [default])[-1]
        if isinstance(value, str):
            return value
        raise self._refused(name, "a text")

    def texts(self, name: str) -> list[str]:
        """Give all texts of a field."""
        found = self._values.get(name, [])
        if all(isinstance(v, str) for v in found):
            return list(found)
        raise self._refused(name, "texts")

    def integer(self, name: str, default: int = 0) -> int:
        """Give a whole number."""
        found = self.integers(name)
        return found[-1] if found else default

    def integers(self, name: str) -> list[int]:
        """Give all whole numbers of a field."""
        found = self._values.get(name, [])
        if all(isinstance(v, int) and not isinstance(v, bool) for v in found):
            return list(found)
        raise self._refused(name, "whole numbers")

    def number(self, name: str, default: float = 0.0) -> float:
        """Give a number."""
        found = self.numbers(name)
        return found[-1] if found else default

    def numbers(self, name: str) -> list[float]:
        """Give all numbers of a field."""
        found = self._values.get(name, [])
        if all(isinstance(v, (int, float)) for v in found):
            return [float(v) for v in found]
        raise self._refused(name, "numbers")

    def flag(self, name: str, default: bool) -> bool:
        """Give a truth value."""
        value = self._values.get(name, [default])[-1]
        known = {"true": True, "false": False, 1: True, 0: False}
        if isinstance(value, (bool, int, str)) and value in known:
            return known[value]
        raise self._refused(name, "true or false")

    def fields(self, name: str) -> "Fields":
        """Give a message inside; an empty one where it is absent."""
        return (self.each(name) or [Fields(f"{self.owner}: {name}")])[-1]

    def each(self, name: str) -> list["Fields"]:
        """Give all messages of a field."""
        found = self._values.get(name, [])
        if all(isinstance(v, Fields) for v in found):
            return list(found)
        raise self._refused(name, "a message in braces")

    def _refused(self, name: str, wanted: str) -> BadFile:
        return BadFile(f"{self.owner}: {name} is {str(self._values[name][-1])[:40]!r}; {wanted} required")
