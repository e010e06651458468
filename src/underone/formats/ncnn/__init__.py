"""ncnn files from a Graph: layers as text in .param, weights in .bin; run by ncnn."""

from .run import of_ncnn
from .write import is_small, weights_path, write_ncnn

__all__ = ["is_small", "of_ncnn", "weights_path", "write_ncnn"]
