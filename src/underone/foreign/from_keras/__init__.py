"""Keras files (.h5, .hdf5, .keras), read without Keras and without libhdf5. Nothing in them is ever run."""

from .file import read_keras

__all__ = ["read_keras"]
