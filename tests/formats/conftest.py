"""Small networks that every format must carry."""

import numpy as np
import pytest

from underone.graph import Graph, Node, Value, infer_shapes
from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec


@pytest.fixture
def one_node():
    """Return a function (op, further operands, attributes, shape) -> Graph; None stands for the input once more."""
    return _one_node


@pytest.fixture
def two_heads():
    """Return a function (size, padding) -> Graph with box codes and maps of classes."""
    return _two_heads


def _one_node(op, others, attrs, shape):
    constants = {f"constant{i}": value for i, value in enumerate(others) if value is not None}
    names = ["image" if value is None else f"constant{i}" for i, value in enumerate(others)]
    node = Node(op, ("image", *names), ("result",), attrs, "result")
    graph = Graph((node,), (Value("image", shape),), (), constants)
    kind = infer_shapes(graph)["result"]
    spec = ModelSpec(
        inputs=(InputSpec(name="image", shape=shape),), outputs=(OutputSpec(name="result", shape=kind.shape),)
    )
    return Graph((node,), (Value("image", shape),), (Value("result", kind.shape),), constants, spec)


def _two_heads(size=65, padding="SAME_UPPER"):
    """TensorFlow's padding, a residual, a gate, heads that are reshaped, and a map that is resized."""
    rng = np.random.default_rng(0)
    shapes = {"stem": (8, 3, 3, 3), "depthwise": (8, 1, 3, 3), "gate": (8, 8, 1, 1), "codes": (8, 8, 3, 3),
              "map": (5, 8, 1, 1)}  # fmt: skip
    constants = {n: (rng.standard_normal(s) / np.sqrt(np.prod(s[1:]))).astype(np.float32) for n, s in shapes.items()}
    side = -(-size // 2)
    nodes = (
        Node("Conv", ("image", "stem"), ("a/1",), {"strides": (2, 2), "auto_pad": padding}, "a/1"),
        Node("Clip", ("a/1",), ("a",), {"min": 0.0, "max": 6.0}, "a"),
        Node("Conv", ("a", "depthwise"), ("b",), {"group": 8, "auto_pad": padding}, "b"),
        Node("GlobalAveragePool", ("b",), ("mean",), {}, "mean"),
        Node("Conv", ("mean", "gate"), ("wide",), {}, "wide"),
        Node("Sigmoid", ("wide",), ("open",), {}, "open"),
        Node("Mul", ("b", "open"), ("gated",), {}, "gated"),
        Node("Add", ("gated", "a"), ("c",), {}, "c"),
        Node("Conv", ("c", "codes"), ("d",), {"strides": (2, 2), "auto_pad": padding}, "d"),
        Node("Transpose", ("d",), ("last",), {"perm": (0, 2, 3, 1)}, "last"),
        Node("Reshape", ("last",), ("codes_out",), {"shape": (-1, 2 * (-(-side // 2)) ** 2, 4)}, "codes_out"),
        Node("Conv", ("c", "map"), ("small",), {}, "small"),
        Node("Resize", ("small",), ("logits",), {"sizes": (0, 0, size, size), "mode": "linear",
             "coordinate_transformation_mode": "align_corners"}, "logits"),
    )  # fmt: skip
    outputs = (
        OutputSpec(name="codes_out", shape=(None, 2 * (-(-side // 2)) ** 2, 4)),
        OutputSpec(name="logits", shape=(None, 5, size, size), meaning="logits"),
    )
    image = InputSpec(shape=(None, 3, size, size), preparation=IMAGENET_PREPARATION)
    spec = ModelSpec(name="both", task="segment", inputs=(image,), outputs=outputs, labels=("a", "b", "c", "d", "e"))
    values = tuple(Value(o.name, o.shape) for o in outputs)
    return Graph(nodes, (Value("image", (None, 3, size, size)),), values, constants, spec)
