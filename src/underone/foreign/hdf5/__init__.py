"""HDF5 files, read without libhdf5, which may crash on hostile bytes: the subset that h5py writes for Keras.

Read: superblocks 0 to 3, groups of both layouts, attributes and datasets of numbers and strings, contiguous, compact or
chunked with deflate, shuffle and checksum filters. Not read, and said so: committed types, compound types, soft and
external links, chunk indices of the newest layout.

Source: HDF5 File Format Specification, version 3.0.
"""

from .file import Dataset, Group, read_hdf5

__all__ = ["Dataset", "Group", "read_hdf5"]
