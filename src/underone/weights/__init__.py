"""Trained weights: reading them from any source, renaming, the table of known files."""

from .checkpoint import Checkpoint, read_arrays, read_checkpoint, recognise_file
from .from_torch_file import SUFFIXES
from .hub import TRAINED_WEIGHTS, TrainedWeights, fetch_weights, find_weights, weights_of
from .labelled_photographs import LABELLED_PHOTOGRAPHS, LabelledPhotograph
from .layout import Layout
from .layouts import LAYOUTS
from .loading import load_strict, save_weights
from .real_files import REAL_FILES
from .recognise import Recognised, Row, preparation_for, recognise
from .rename import Rule
from .store import Weights, read_safetensors, write_safetensors

__all__ = [
    "LABELLED_PHOTOGRAPHS",
    "LAYOUTS",
    "REAL_FILES",
    "SUFFIXES",
    "TRAINED_WEIGHTS",
    "Checkpoint",
    "LabelledPhotograph",
    "Layout",
    "Recognised",
    "Row",
    "Rule",
    "TrainedWeights",
    "Weights",
    "fetch_weights",
    "find_weights",
    "load_strict",
    "preparation_for",
    "read_arrays",
    "read_checkpoint",
    "read_safetensors",
    "recognise",
    "recognise_file",
    "save_weights",
    "weights_of",
    "write_safetensors",
]
