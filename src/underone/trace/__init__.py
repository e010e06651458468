"""torch model → Graph."""

from .known_spec import spec_of
from .program import trace
from .run import as_function

__all__ = ["as_function", "spec_of", "trace"]
