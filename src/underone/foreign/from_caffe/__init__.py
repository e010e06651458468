"""Caffe files (.caffemodel, .prototxt), read without Caffe."""

from .file import read_caffe

__all__ = ["read_caffe"]
