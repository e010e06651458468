"""The Graph: reading and writing ONNX, counting, and the numpy reference interpreter."""

from .count import Count, NodeCount, count
from .float16 import to_float16
from .from_onnx import read_onnx
from .graph import Array, Graph, Node, Value
from .onnx_file import read_verdict
from .ops import OPS, Op
from .reference import run_reference
from .shapes import TensorType, infer_shapes
from .to_onnx import to_onnx

__all__ = [
    "OPS",
    "Array",
    "Count",
    "Graph",
    "Node",
    "NodeCount",
    "Op",
    "TensorType",
    "Value",
    "count",
    "infer_shapes",
    "read_onnx",
    "read_verdict",
    "run_reference",
    "to_float16",
    "to_onnx",
]
