"""Network → file, compared with the network before it is kept."""

from .bundle import Bundle, export_bundle, verify_bundle
from .compare_files import verify
from .write import export

__all__ = ["Bundle", "export", "export_bundle", "verify", "verify_bundle"]
