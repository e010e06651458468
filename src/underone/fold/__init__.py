"""Folding: a trained network into its plain form, with a certificate that nothing changed."""

from .network import reparameterize

__all__ = ["reparameterize"]
