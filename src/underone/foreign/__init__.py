"""Files of other frameworks, read without them: each a ForeignFile of named arrays, and a Graph where there is one."""

from .foreign_file import Cut, ForeignFile, Network
from .read import read_foreign

__all__ = ["Cut", "ForeignFile", "Network", "read_foreign"]
