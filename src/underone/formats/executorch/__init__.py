"""ExecuTorch programs from a Graph, made and run by a Python that has executorch, in a process of its own."""

from .environment import executorch_python, executorch_version
from .run import of_pte
from .write import write_pte

__all__ = ["executorch_python", "executorch_version", "of_pte", "write_pte"]
