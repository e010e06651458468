"""torch's operators against the reference interpreter's, which is held against ONNX's own cases."""

import numpy as np
import pytest

from underone.errors import BadFile, Unsupported
from underone.graph import OPS, Graph, Node, Value, run_reference

pytest.importorskip("torch")

import torch
from torch._subclasses import FakeTensorMode

from underone.runtime.torch_ops import OPERATORS, bound
from underone.runtime.via_torch import Torch

X = (2, 6, 9, 8)  # (N, C, H, W)
WINDOW = {"kernel_shape": (3, 3), "strides": (2, 2), "pads": (1, 0, 0, 1)}
BOOLEAN = {"And", "Or", "Not"}

# operator, attributes, shapes of its operands
CASES = [
    ("Conv", {}, [X, (4, 6, 3, 3)]),
    ("Conv", {"strides": (2, 1), "pads": (1, 2, 0, 1), "dilations": (2, 1), "group": 2}, [X, (4, 3, 3, 2), (4,)]),
    ("Conv", {"auto_pad": "SAME_UPPER", "strides": (2, 2)}, [X, (4, 6, 3, 3)]),
    ("Conv", {"auto_pad": "SAME_LOWER", "strides": (2, 2), "group": 6}, [X, (6, 1, 4, 4), (6,)]),
    ("Conv", {"pads": (1, 1)}, [(2, 3, 7), (4, 3, 3)]),
    ("ConvTranspose", {"strides": (2, 2), "pads": (1, 0, 1, 2), "output_padding": (1, 0)}, [X, (6, 4, 3, 3), (4,)]),
    ("Gemm", {"transB": 1}, [(3, 4), (5, 4), (5,)]),
    ("Gemm", {"alpha": 0.5, "beta": 2.0, "transA": 1}, [(4, 3), (4, 5), (5,)]),
    ("Gemm", {}, [(3, 4), (4, 5)]),
    ("MatMul", {}, [(2, 3, 4), (4, 5)]),
    ("BatchNormalization", {"epsilon": 0.1}, [X, (6,), (6,), (6,), (6,)]),
    ("LayerNormalization", {"axis": 2, "epsilon": 0.01}, [X, (9, 8), (8,)]),
    ("Softmax", {"axis": 1}, [X]),
    ("LogSoftmax", {"axis": -1}, [X]),
    ("Clip", {"min": 0.2, "max": 0.6}, [X]),
    ("Clip", {"min": 0.5}, [X]),
    ("LeakyRelu", {"alpha": 0.2}, [X]),
    ("Elu", {"alpha": 0.7}, [X]),
    ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}, [X]),
    ("Gelu", {}, [X]),
    ("Gelu", {"approximate": "tanh"}, [X]),
    ("Cast", {"to": "float16"}, [X]),
    ("Cast", {"to": "int32"}, [X]),
    ("PRelu", {}, [X, (6, 1, 1)]),
    ("AveragePool", WINDOW, [X]),
    ("AveragePool", WINDOW | {"count_include_pad": 1}, [X]),
    ("AveragePool", WINDOW | {"count_include_pad": 1, "ceil_mode": 1}, [X]),
    ("AveragePool", WINDOW | {"ceil_mode": 1}, [X]),
    ("AveragePool", {"kernel_shape": (3, 3), "strides": (2, 2), "auto_pad": "SAME_UPPER"}, [X]),
    ("MaxPool", WINDOW, [X]),
    ("MaxPool", WINDOW | {"ceil_mode": 1, "dilations": (2, 1)}, [X]),
    ("GlobalAveragePool", {}, [X]),
    ("GlobalMaxPool", {}, [X]),
    *((op, {"axes": (1, -1), "keepdims": keep}, [X]) for op in ("ReduceMean", "ReduceSum") for keep in (0, 1)),
    ("ReduceMean", {}, [X]),
    ("ReduceMax", {"axes": (2,)}, [X]),
    ("ReduceMin", {"axes": (2,), "keepdims": 0}, [X]),
    ("ArgMax", {"axis": 1}, [X]),
    ("ArgMax", {"axis": -1, "keepdims": 0, "select_last_index": 1}, [X]),
    ("Reshape", {"shape": (0, -1, 4)}, [X]),
    ("Flatten", {}, [X]),
    ("Flatten", {"axis": -1}, [X]),
    ("Flatten", {"axis": 0}, [X]),
    ("Transpose", {"perm": (0, 2, 3, 1)}, [X]),
    ("Concat", {"axis": 1}, [X, (2, 1, 9, 8), X]),
    ("Split", {"axis": 1, "split": (1, 2, 3)}, [X]),
    ("Slice", {"starts": (1, -1), "ends": (5, -(2**31)), "axes": (1, 3), "steps": (2, -3)}, [X]),
    ("Squeeze", {"axes": (1, -1)}, [(2, 1, 3, 1)]),
    ("Unsqueeze", {"axes": (3, 0)}, [(2, 5)]),
    ("Pad", {"pads": (0, 0, 1, 2, 0, 0, 3, -1), "value": 0.5}, [X]),
    *(("Pad", {"pads": (0, 1, 2, 3, 0, 0, 3, 1), "mode": mode}, [X]) for mode in ("reflect", "edge", "wrap")),
    ("Resize", {"sizes": (2, 6, 18, 5), "mode": "linear"}, [X]),
    ("Resize", {"scales": (1.0, 1.0, 2.0, 0.5), "mode": "cubic"}, [X]),
    ("Resize", {"scales": (1.0, 1.0, 2.0, 2.0), "coordinate_transformation_mode": "asymmetric"}, [X]),
    ("Where", {}, [X, X, (1, 6, 1, 1)]),
    *((op, {}, [X, (6, 1, 1)]) for op in ("Add", "Sub", "Mul", "Div", "Pow", "And", "Or")),
    *((op, {}, [X, (6, 1, 1)]) for op in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")),
    *(
        (op, {}, [X])
        for op in (
            "Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "HardSwish", "Identity", "Log", "Mish", "Neg", "Not",
            "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Softplus", "Sqrt", "Tanh",
        )
    ),
]  # fmt: skip


def operand(op, position, shape):
    """Positive where a logarithm, a root or a variance needs it; quarters, so that equal values occur."""
    rng = np.random.default_rng(position)
    low = 0.25 if op in {"Log", "Sqrt", "Pow", "BatchNormalization", "Reciprocal", "Div"} else -3.0
    values = np.round(rng.uniform(low, 3, shape) * 4) / 4
    boolean = op in BOOLEAN or (op == "Where" and position == 0)
    return values > 0.25 if boolean else values.astype(np.float32)


def graph_of(op, attrs, operands):
    names = [f"x{i}" for i in range(len(operands))]
    outputs = [f"y{i}" for i in range(len(attrs["split"]) if op == "Split" else 1)]
    inputs = tuple(Value(n, a.shape, str(a.dtype)) for n, a in zip(names, operands, strict=True))
    node = Node(op, tuple(names), tuple(outputs), attrs)
    return Graph((node,), inputs, tuple(Value(o, ()) for o in outputs), {})


@pytest.mark.parametrize(("op", "attrs", "shapes"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])
def test_operator_is_what_the_reference_says(op, attrs, shapes):
    operands = [operand(op, i, shape) for i, shape in enumerate(shapes)]
    graph, inputs = graph_of(op, attrs, operands), {f"x{i}": a for i, a in enumerate(operands)}
    found, wanted = Torch(graph, {}, 1, "case").run(inputs), run_reference(graph, inputs)
    assert set(found) == set(wanted)
    for name, want in wanted.items():
        assert found[name].dtype == want.dtype
        np.testing.assert_allclose(found[name], want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("op", "attrs", "shapes"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])
def test_operator_stays_on_its_device(op, attrs, shapes):
    arrays = [operand(op, i, shape) for i, shape in enumerate(shapes)]
    node = graph_of(op, attrs, arrays).nodes[0]
    with FakeTensorMode():  # tensors without values, of a device that need not be there
        operands = [torch.empty(a.shape, dtype=getattr(torch, str(a.dtype)), device="cuda") for a in arrays]
        results = bound(node, operands)(*operands)
    assert {r.device.type for r in (results if isinstance(results, tuple) else (results,))} == {"cuda"}


def test_every_operator_has_a_case():
    assert {case[0] for case in CASES} == set(OPERATORS)
    assert set(OPERATORS) <= set(OPS)


def test_an_output_that_is_a_view_of_a_weight_is_a_copy():
    weight = torch.ones(1, 2)
    node = Node("Flatten", ("w",), ("y",), {})
    Torch(Graph((node,), (), (Value("y", ()),), {}), {"w": weight}, 1, "case").run({})["y"][:] = 0
    assert weight.tolist() == [[1, 1]]


def test_dilated_average_pools_are_refused():
    graph = graph_of("AveragePool", WINDOW | {"dilations": (2, 2)}, [np.ones(X, np.float32)])
    with pytest.raises(
        Unsupported, match=r"AveragePool with dilations \(2, 2\) is not in torch; use backend 'reference'"
    ):
        Torch(graph, {}, 1, "case").run({"x0": np.ones(X, np.float32)})


def test_what_torch_refuses_is_told_in_one_line():
    graph = graph_of("MatMul", {}, [np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)])
    with pytest.raises(BadFile, match="case: torch cannot run it: mat1 and mat2 shapes cannot be multiplied") as caught:
        Torch(graph, {}, 1, "case").run({"x0": np.ones((2, 3), np.float32), "x1": np.ones((2, 3), np.float32)})
    assert "\n" not in str(caught.value)
