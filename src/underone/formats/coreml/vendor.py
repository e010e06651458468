"""coremltools, imported and called without its remarks on what else is installed, and without its progress bars."""

import io
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back warnings, what is logged below errors, and what is drawn on stderr."""
    log = logging.getLogger("coremltools")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stderr(io.StringIO()):
            yield
    finally:
        log.setLevel(before)


@contextmanager
def without_torch() -> Iterator[None]:
    """Let `import torch` fail, unless somebody has it already: coremltools imports it only to look which one it is."""
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules["torch"]


with quiet(), without_torch():
    import coremltools as ct
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.mil import Function, Program, get_new_symbol, types
    from coremltools.models import datatypes

__all__ = ["Builder", "Function", "Program", "ct", "datatypes", "get_new_symbol", "quiet", "types"]
