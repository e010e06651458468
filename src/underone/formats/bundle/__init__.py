"""A network in several formats in one folder, with the proofs, the labels, and how its outputs are read."""

from .check import verify_bundle
from .record import Bundle, BundledForm
from .write import export_bundle

__all__ = ["Bundle", "BundledForm", "export_bundle", "verify_bundle"]
