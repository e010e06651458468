"""Network → file, compared with the network before it is kept."""

from .compare_files import verify
from .write import export

__all__ = ["export", "verify"]
