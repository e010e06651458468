"""The command line: parse, call one library function, print."""

from .app import main

__all__ = ["main"]
