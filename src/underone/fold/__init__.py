"""Folding: a trained network into its plain form, with a certificate that nothing changed."""

from .blocks import foldable_blocks
from .network import reparameterize

__all__ = ["foldable_blocks", "reparameterize"]
