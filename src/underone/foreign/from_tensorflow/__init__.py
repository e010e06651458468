"""TensorFlow's files, read without TensorFlow: frozen graphs."""

from .frozen_graph import read_frozen_graph

__all__ = ["read_frozen_graph"]
