"""Shapes and dtypes before anything runs. (test_real_files.py holds whole networks against onnx's own inference.)"""

import numpy as np
import pytest

from underone.errors import BadValue, ShapeError, UnknownName
from underone.graph import Graph, Node, TensorType, Value, infer_shapes
from underone.graph.shapes import infer_dtypes


def net(*nodes: Node, shape: tuple[int | None, ...] = (None, 3, 8, 8), **constants: np.ndarray) -> Graph:
    return Graph(nodes, (Value("x", shape),), (Value(nodes[-1].outputs[0], ()),), constants)


CONV = Node("Conv", ("x", "w"), ("y",), {"strides": (2, 2), "pads": (1, 1, 1, 1)}, "conv")
W = np.ones((4, 3, 3, 3), np.float32)


def test_every_tensor_has_a_shape_and_a_dtype() -> None:
    types = infer_shapes(net(CONV, Node("ArgMax", ("y",), ("z",), {"axis": 1}), w=W), batch=5)
    assert types == {
        "w": TensorType((4, 3, 3, 3), "float32"),
        "x": TensorType((5, 3, 8, 8), "float32"),
        "y": TensorType((5, 4, 4, 4), "float32"),
        "z": TensorType((5, 1, 4, 4), "int64"),
    }
    assert types["y"].elements == 5 * 4 * 4 * 4


def test_dtypes_need_no_sizes() -> None:
    graph = net(
        Node("Cast", ("x",), ("h",), {"to": "float16"}), Node("Greater", ("h", "h"), ("g",)), shape=(None, None)
    )
    assert infer_dtypes(graph) == {"x": "float32", "h": "float16", "g": "bool"}


def test_open_sizes_must_be_given() -> None:
    graph = net(CONV, shape=(None, 3, None, None), w=W)
    assert infer_shapes(graph, sizes={"x": (2, 3, 32, 64)})["y"].shape == (2, 4, 16, 32)
    for sizes in ({}, {"x": (2, 4, 8, 8)}, {"x": (2, 3, 8)}):
        with pytest.raises(
            ShapeError, match=r"input 'x' has shape \(None, 3, None, None\), asked for is .*; pass sizes="
        ):
            infer_shapes(graph, sizes=sizes)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Node("Conv", ("x", "v"), ("y",)), r"input \(1, 3, 8, 8\), weight \(4, 2, 3, 3\), group 1; \(N, I, …\)"),
        (Node("Conv", ("x", "w", "b"), ("y",)), r"bias \(3,\); \(4,\) is required"),
        (
            Node("ConvTranspose", ("x", "w"), ("y",)),
            r"input \(1, 3, 8, 8\), weight \(4, 3, 3, 3\), group 1; .*\(I, O / group",
        ),
        (Node("Gemm", ("m", "m"), ("y",)), r"operands \(2, 5\) and \(2, 5\) \(transA 0, transB 0\): 5 against 2"),
        (Node("Gemm", ("x", "m"), ("y",)), "two matrices are required"),
        (
            Node("Gemm", ("m", "m", "b"), ("y",), {"transB": 1}),
            r"do not broadcast",
        ),
        (Node("MatMul", ("x", "m"), ("y",)), r"operands \(1, 3, 8, 8\) and \(2, 5\): 8 against 2"),
        (Node("MatMul", ("x", "s"), ("y",)), "at least vectors are required"),
        (Node("Add", ("x", "m"), ("y",)), r"operands \(1, 3, 8, 8\) and \(2, 5\) do not broadcast"),
        (
            Node("PRelu", ("s", "b"), ("y",)),
            r"input \(\), slope \(3,\); the slope must broadcast to the input",
        ),
        (Node("BatchNormalization", ("x", "b", "b", "b", "m"), ("y",)), r"each must be \(3,\)"),
        (Node("BatchNormalization", ("b", "b", "b", "b", "b"), ("y",)), r"at least the axes \(N, C\)"),
        (Node("LayerNormalization", ("x", "b"), ("y",)), r"do not broadcast"),
        (Node("MaxPool", ("m",), ("y",), {"kernel_shape": (2, 2)}), "at least one spatial axis"),
        (Node("GlobalAveragePool", ("m",), ("y",)), "at least one spatial axis"),
        (
            Node("MaxPool", ("x",), ("y",), {"kernel_shape": (9, 9)}),
            r"spatial size \(8, 8\) .* smaller than the window \(9, 9\)",
        ),
        (Node("ConvTranspose", ("x", "t"), ("y",), {"pads": (9, 9, 9, 9)}), "leave a size of -8; at least 1"),
        (Node("ReduceMean", ("x",), ("y",), {"axes": (1, -3)}), "name one axis twice"),
        (
            Node("Reshape", ("x",), ("y",), {"shape": (0, 7)}),
            r"input \(1, 3, 8, 8\) has 192 elements, shape \(0, 7\) does not",
        ),
        (Node("Reshape", ("x",), ("y",), {"shape": (-1, -1)}), "sizes, 0 or one -1 are required"),
        (Node("Reshape", ("b",), ("y",), {"shape": (3, 0)}), "0 has no axis to copy"),
        (Node("Flatten", ("x",), ("y",), {"axis": 5}), r"axis 5 of input \(1, 3, 8, 8\)"),
        (Node("Concat", ("x", "m"), ("y",), {"axis": 1}), r"\(1, 3, 8, 8\) and \(2, 5\) differ beside axis 1"),
        (Node("Split", ("x",), ("y", "z"), {"axis": 1, "split": (1, 1)}), r"axis 1, split \(1, 1\)"),
        (Node("Split", ("x",), ("y",), {"axis": 1, "split": (1, 2)}), "1 outputs; 2 are required"),
        (Node("Slice", ("x",), ("y",), {"starts": (0,), "ends": (1,), "axes": (0, 1), "steps": (1,)}), "do not fit"),
        (Node("Squeeze", ("x",), ("y",), {"axes": (1,)}), "only axes of size 1 can go"),
        (Node("Expand", ("b",), ("y",), {"shape": (-1, 3)}), r"input \(3,\), shape \(-1, 3\)"),
        (Node("Tile", ("x",), ("y",), {"repeats": (2,)}), r"repeats \(2,\)"),
        (Node("Pad", ("x",), ("y",), {"pads": (1, 1)}), "8 values are required"),
        (
            Node("Pad", ("x",), ("y",), {"pads": (0, 0, 9, 0, 0, 0, 0, 0), "mode": "reflect"}),
            "too small for reflect pads",
        ),
        (Node("Pad", ("x",), ("y",), {"pads": (0, 0, -9, 0, 0, 0, 0, 0)}), r"leave \(1, 3, -1, 8\)"),
        (Node("Pad", ("x",), ("y",), {"pads": (0,) * 8, "mode": "mirror"}), "mode 'mirror'"),
        (Node("Resize", ("x",), ("y",)), "one of them is required"),
        (Node("Resize", ("x",), ("y",), {"sizes": (8, 8)}), "4 values are required"),
        (Node("Resize", ("x",), ("y",), {"scales": (1, 1, 0, 2)}), "cannot be resized by"),
        (Node("DepthToSpace", ("x",), ("y",), {"blocksize": 2}), "C must be a multiple of b²"),
        (Node("SpaceToDepth", ("x",), ("y",), {"blocksize": 3}), "H and W must be multiples"),
        (Node("ConstantOfShape", (), ("y",), {"shape": (-2,)}), "sizes from 0 up"),
        (Node("Range", (), ("y",), {"start": 0, "limit": 5, "delta": 0}), "in steps of 0"),
    ],
)
def test_what_does_not_fit_names_the_node_and_the_shapes(node: Node, message: str) -> None:
    graph = net(
        node, shape=(1, 3, 8, 8), w=W, v=W[:, :2], t=np.ones((3, 4, 3, 3), np.float32), m=np.ones((2, 5), np.float32),
        b=np.ones(3, np.float32), s=np.float32(1).reshape(()),
    )  # fmt: skip
    with pytest.raises(ShapeError, match=rf"^node 'y' \({node.op}\): .*({message})"):
        infer_shapes(graph)


def test_wrong_number_of_operands_is_refused() -> None:
    with pytest.raises(BadValue, match=r"^node 'y' \(Add\): 1 operands; 2 to 2 are required"):
        infer_shapes(net(Node("Add", ("x",), ("y",))))


def test_unknown_operator_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown operator 'Konv'"):
        infer_shapes(net(Node("Konv", ("x",), ("y",))))
