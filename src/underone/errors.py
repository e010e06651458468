"""Every error the library raises on purpose.

One base class, so that the command line catches one name:

    UnderOneError
    ├── BadFile          ValueError           a file is corrupt, hostile, or not what its name says
    ├── BadValue         ValueError           an argument or a setting is outside what is allowed
    ├── ShapeError       ValueError           an array has the wrong rank, size, dtype or layout
    ├── UnknownName      KeyError             a name is in no table
    ├── WeightsMismatch  ValueError           a weight file does not fit a model
    ├── Unsupported      NotImplementedError  valid, but outside what is implemented
    ├── MissingExtra     ImportError          an optional package is not installed
    ├── FetchFailed      OSError              a pinned file could not be had, or is not the pinned one
    ├── ParityFailed     RuntimeError         two forms of one network disagree
    └── Diverged         RuntimeError         training gave NaN or infinity

A message says what was given, what is required, and what to do.
"""

import difflib
from collections.abc import Iterable


class UnderOneError(Exception):
    """Base class: the message is complete and fit to show without a traceback."""


class BadFile(UnderOneError, ValueError):
    """A file is corrupt, hostile, or not what its name says."""


class BadValue(UnderOneError, ValueError):
    """An argument or a setting is outside what is allowed."""


class ShapeError(UnderOneError, ValueError):
    """An array or tensor has the wrong rank, size, dtype or layout."""


class UnknownName(UnderOneError, KeyError):
    """A name is in no table (model, backend, weight tag, layer, format)."""

    def __init__(self, kind: str, got: object, known: Iterable[str], hint: str = "") -> None:
        names = sorted(known)
        close = difflib.get_close_matches(str(got), names, n=1)
        guess = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(names[:12])}."
        super().__init__(f"unknown {kind} {got!r}. {guess}{' ' + hint if hint else ''}")

    __str__ = Exception.__str__  # KeyError would show the message quoted


class WeightsMismatch(UnderOneError, ValueError):
    """A weight file does not fit a model; the message lists every tensor that differs."""


class Unsupported(UnderOneError, NotImplementedError):
    """The input is valid, but outside what this library implements."""


class MissingExtra(UnderOneError, ImportError):
    """An optional package is not installed; the message is the command that installs it."""

    def __init__(self, what: str, package: str, extra: str, hint: str = "") -> None:
        super().__init__(f"{what} needs the package {package}; install it with: pip install 'underone[{extra}]'{hint}")


class FetchFailed(UnderOneError, OSError):
    """A pinned file could not be had from any source, or its sha256 is another."""


class ParityFailed(UnderOneError, RuntimeError):
    """Two forms of one network disagree; the message says on which input and by how much."""


class Diverged(UnderOneError, RuntimeError):
    """Training gave NaN or infinity; the message names the step and the last good state."""
