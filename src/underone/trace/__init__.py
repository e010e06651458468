"""torch model → Graph."""

from .program import trace
from .run import as_function

__all__ = ["as_function", "trace"]
