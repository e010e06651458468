"""Settings: the configuration of one layer, JSON from the file, each value checked when it is asked for."""

from collections.abc import Mapping
from typing import Any

from ...errors import BadFile, Unsupported

Pair = tuple[int, int]


class Settings:
    """The configuration of one layer."""

    def __init__(self, config: Mapping[str, Any], owner: str) -> None:
        """Wrap a configuration.

        Args:
            config: the object from the file.
            owner: the file's name and the layer's, for errors.
        """
        self._config, self.owner = config, owner

    def __contains__(self, key: str) -> bool:
        """Say whether a value other than null is given."""
        return self._config.get(key) is not None

    def raw(self, key: str) -> Any:
        """Give a value as it stands in the file; None where there is none."""
        return self._config.get(key)

    def flag(self, key: str, default: bool) -> bool:
        """Give a truth value."""
        value = self._config.get(key, default)
        if isinstance(value, bool):
            return value
        raise self._refused(key, "true or false")

    def integer(self, key: str, default: int | None = None) -> int:
        """Give a whole number."""
        value = self._config.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise self._refused(key, "a whole number")

    def number(self, key: str, default: float | None = None) -> float:
        """Give a number."""
        value = self._config.get(key, default)
        if isinstance(value, (int, float)):
            return float(value)
        raise self._refused(key, "a number")

    def text(self, key: str, default: str | None = None) -> str:
        """Give a text."""
        value = self._config.get(key, default)
        if isinstance(value, str):
            return value
        raise self._refused(key, "a text")

    def integers(self, key: str) -> tuple[int, ...]:
        """Give a list of whole numbers; one number is a list of one."""
        value = self._config.get(key)
        items = [value] if isinstance(value, int) else value
        if isinstance(items, list) and len(items) <= 8 and all(isinstance(v, int) for v in items):
            return tuple(items)
        raise self._refused(key, "a list of whole numbers")

    def pair(self, key: str, default: Pair | None = None) -> Pair:
        """Give (height, width); one number stands for both."""
        if default is not None and key not in self:
            return default
        values = self.integers(key)
        if len(values) not in (1, 2) or min(values) < 0:
            raise self._refused(key, "(height, width)")
        return values[0], values[-1]

    def borders(self, key: str) -> tuple[Pair, Pair]:
        """Give ((top, bottom), (left, right)) from one number, (height, width) or itself."""
        value = self._config.get(key)
        if isinstance(value, list) and len(value) == 2 and all(isinstance(v, list) for v in value):
            rows, columns = (Settings({key: v}, self.owner).pair(key) for v in value)
            return rows, columns
        height, width = self.pair(key)
        return (height, height), (width, width)

    def numbers(self, key: str) -> list[Any] | float:
        """Give a number, or lists of numbers of any depth as they stand; numpy checks them."""
        value = self._config.get(key)
        if isinstance(value, (int, float, list)):
            return value
        raise self._refused(key, "numbers")

    def require(self, key: str, *allowed: Any) -> None:
        """Do nothing when a value is absent or one of `allowed`.

        Raises:
            Unsupported: it is another one.
        """
        if key in self and self._config[key] not in allowed:
            raise Unsupported(
                f"{self.owner}: {key} is {self._config[key]!r}; {' or '.join(map(repr, allowed))} is read"
            )

    def _refused(self, key: str, wanted: str) -> BadFile:
        return BadFile(f"{self.owner}: {key} is {self._config.get(key)!r}; {wanted} is required")
