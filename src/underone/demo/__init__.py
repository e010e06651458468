"""The whole flow on real input, in one command."""

from .flow import run_demo

__all__ = ["run_demo"]
