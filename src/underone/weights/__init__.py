"""Trained weights: reading them from any source, renaming, the table of known files."""

from .checkpoint import Checkpoint, read_checkpoint
from .from_torch_file import SUFFIXES
from .hub import TRAINED_WEIGHTS, TrainedWeights, fetch_weights, find_weights, weights_of
from .labelled_photographs import LABELLED_PHOTOGRAPHS, LabelledPhotograph
from .loading import load_strict, save_weights
from .real_files import REAL_FILES
from .recognise import Recognised, preparation_for, recognise
from .store import Weights, read_safetensors, write_safetensors

__all__ = [
    "LABELLED_PHOTOGRAPHS",
    "REAL_FILES",
    "SUFFIXES",
    "TRAINED_WEIGHTS",
    "Checkpoint",
    "LabelledPhotograph",
    "Recognised",
    "TrainedWeights",
    "Weights",
    "fetch_weights",
    "find_weights",
    "load_strict",
    "preparation_for",
    "read_checkpoint",
    "read_safetensors",
    "recognise",
    "save_weights",
    "weights_of",
    "write_safetensors",
]
