"""TensorFlow's files, read without TensorFlow: frozen graphs, checkpoints, saved models."""

from .checkpoint import read_checkpoint
from .frozen_graph import read_frozen_graph
from .saved_model import read_saved_model

__all__ = ["read_checkpoint", "read_frozen_graph", "read_saved_model"]
