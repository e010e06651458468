"""torch model → Graph."""

from .program import trace

__all__ = ["trace"]
