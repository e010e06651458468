"""Every operator that is written for Core ML: what the package computes is what the graph computes."""

import numpy as np
import pytest

from underone.compare import difference
from underone.errors import Unsupported
from underone.foreign import read_foreign
from underone.graph import Graph, Node, Value, infer_shapes, run_reference

pytest.importorskip("coremltools")

from underone.formats.coreml import write_package
from underone.formats.coreml.operators import OPERATORS

RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


PICTURE = (1, 4, 7, 6)
WINDOW = {"strides": (2, 1), "pads": (0, 1, 2, 1)}
POOL = WINDOW | {"kernel_shape": (3, 3)}

# (operator, operands behind the first: constants, or None for a second input of the same shape, attributes, shape)
CASES = [
    ("Conv", [draw(6, 2, 3, 3), draw(6)], WINDOW | {"group": 2, "dilations": (1, 2)}, PICTURE),
    ("Conv", [draw(6, 4, 3, 3)], {"strides": (2, 2), "auto_pad": "SAME_UPPER"}, PICTURE),
    ("Conv", [draw(6, 4, 3, 3)], {"strides": (2, 2), "auto_pad": "SAME_LOWER"}, PICTURE),
    ("ConvTranspose", [draw(4, 3, 3, 3), draw(6)], WINDOW | {"group": 2, "output_padding": (1, 0)}, PICTURE),
    ("Gemm", [draw(6, 5), draw(5)], {}, (3, 6)),
    ("Gemm", [draw(6, 5), draw(1, 5)], {}, (3, 6)),
    ("Gemm", [draw(5, 6), draw(5)], {"transB": 1, "beta": 0.5}, (3, 6)),
    ("MatMul", [draw(6, 5)], {}, (2, 3, 6)),
    ("BatchNormalization", [draw(4), draw(4), draw(4), abs(draw(4))], {"epsilon": 1e-3}, PICTURE),
    ("InstanceNormalization", [draw(4), draw(4)], {}, PICTURE),
    ("Softmax", [], {"axis": 1}, PICTURE),
    ("LogSoftmax", [], {"axis": 1}, PICTURE),
    ("Clip", [], {"min": 0.0, "max": 6.0}, PICTURE),
    ("Clip", [], {"min": -0.5, "max": 0.75}, PICTURE),
    ("Clip", [], {"min": -0.5}, PICTURE),
    ("Clip", [], {"max": 0.5}, PICTURE),
    ("LeakyRelu", [], {"alpha": 0.2}, PICTURE),
    ("Elu", [], {"alpha": 0.7}, PICTURE),
    ("HardSigmoid", [], {"alpha": 0.3, "beta": 0.4}, PICTURE),
    ("Gelu", [], {}, PICTURE),
    ("Gelu", [], {"approximate": "tanh"}, PICTURE),
    ("PRelu", [draw(4, 1, 1)], {}, PICTURE),
    ("PRelu", [draw(1)], {}, PICTURE),
    *((op, [], {}, PICTURE) for op in ("Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "HardSwish", "Identity", "Mish")),
    *((op, [], {}, PICTURE) for op in ("Neg", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Softplus")),
    ("Tanh", [], {}, PICTURE),
    *((op, [draw(4, 1, 1)], {}, PICTURE) for op in ("Add", "Sub", "Mul", "Div", "Min", "Max", "Sum")),
    *((op, [None], {}, PICTURE) for op in ("Add", "Sub", "Mul", "Div", "Min", "Max", "Sum")),
    ("AveragePool", [], POOL, PICTURE),
    ("AveragePool", [], POOL | {"count_include_pad": 1}, PICTURE),
    ("AveragePool", [], {"kernel_shape": (3, 3), "strides": (2, 2), "ceil_mode": 1}, PICTURE),
    ("MaxPool", [], POOL, PICTURE),
    ("MaxPool", [], {"kernel_shape": (2, 2), "strides": (2, 2), "ceil_mode": 1}, PICTURE),
    ("GlobalAveragePool", [], {}, PICTURE),
    ("GlobalMaxPool", [], {}, PICTURE),
    *(
        (f"Reduce{kind}", [], {"axes": (1, 3), "keepdims": keep}, PICTURE)
        for kind, keep in (("Mean", 0), ("Sum", 1), ("Max", 0), ("Min", 1), ("Prod", 0), ("L2", 1), ("SumSquare", 0))
    ),
    ("ArgMax", [], {"axis": 1, "keepdims": 0}, PICTURE),
    ("ArgMin", [], {"axis": 2}, PICTURE),
    ("Reshape", [], {"shape": (1, -1, 6)}, PICTURE),
    ("Flatten", [], {}, PICTURE),
    ("Squeeze", [], {"axes": (0,)}, PICTURE),
    ("Unsqueeze", [], {"axes": (0,)}, PICTURE[1:]),
    ("Transpose", [], {"perm": (0, 2, 3, 1)}, PICTURE),
    ("Concat", [draw(1, 2, 7, 6)], {"axis": 1}, PICTURE),
    ("Slice", [], {"starts": (1, -4), "ends": (7, 6), "axes": (2, 3), "steps": (2, 1)}, PICTURE),
    ("Gather", [np.array([2, 0], np.int64)], {"axis": 1}, PICTURE),
    ("Expand", [], {"shape": (1, 4, 3, 5)}, (4, 1, 1)),
    ("Tile", [], {"repeats": (1, 2, 1, 3)}, PICTURE),
    ("Pad", [], {"pads": (0, 0, 1, 2, 0, 0, 0, 1), "value": 0.5}, PICTURE),
    ("Pad", [], {"pads": (0, 0, 1, 2, 0, 0, 0, 1), "mode": "reflect"}, PICTURE),
    ("Pad", [], {"pads": (0, 0, 1, 2, 0, 0, 0, 1), "mode": "edge"}, PICTURE),
    *(
        ("Resize", [], {"sizes": (0, 0, 13, 17), "mode": "linear", "coordinate_transformation_mode": corners}, PICTURE)
        for corners in ("align_corners", "half_pixel", "asymmetric", "pytorch_half_pixel")
    ),
    ("Resize", [], {"sizes": (0, 0, 13, 17), "mode": "cubic"}, PICTURE),
    ("Resize", [], {"sizes": (0, 0, 13, 17)}, PICTURE),
    ("Resize", [], {"scales": (1, 1, 2, 3)}, PICTURE),
    ("Resize", [], {"scales": (1, 1, 13 / 7, 17 / 6), "mode": "linear"}, PICTURE),
    ("Resize", [], {"sizes": (0, 0, 33, 33), "coordinate_transformation_mode": "asymmetric"}, (1, 4, 1, 1)),
    ("DepthToSpace", [], {"blocksize": 2}, PICTURE),
    ("DepthToSpace", [], {"blocksize": 2, "mode": "CRD"}, PICTURE),
    ("SpaceToDepth", [], {"blocksize": 2}, (1, 4, 8, 6)),
]


def one_node(op, others, attrs, shape):
    """A graph of one operator; () stands for what only makes its operands fit."""
    constants = {f"constant{i}": value for i, value in enumerate(others) if value is not None}
    names = ["second" if value is None else f"constant{i}" for i, value in enumerate(others)]
    inputs = [Value("first", shape)] + [Value("second", shape)] * names.count("second")
    node = Node(op, ("first", *names), ("result",), attrs, "result")
    graph = Graph((node,), tuple(inputs), (), constants)
    kind = infer_shapes(graph)["result"]
    return Graph((node,), tuple(inputs), (Value("result", kind.shape, kind.dtype),), constants)


def written(graph, path, dtype="float32"):
    write_package(graph, path, dtype)
    return read_foreign(path).graph()


@pytest.mark.parametrize(("op", "others", "attrs", "shape"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_operator_computes_the_same_in_a_package(tmp_path, op, others, attrs, shape):
    graph = one_node(op, others, attrs, shape)
    made = written(graph, tmp_path / "net.mlpackage")
    rng = np.random.default_rng(1)
    inputs = {v.name: rng.standard_normal(v.shape).astype(np.float32) for v in graph.inputs}
    got, want = run_reference(made, inputs)["result"], run_reference(graph, inputs)["result"]
    if want.dtype.kind == "i":
        assert np.array_equal(got, want)
    else:
        assert difference(got, want)[0] < 1e-12


def test_every_operator_of_the_table_has_a_case():
    joined = {"Cast", "And", "Or", "Not", "Log", "Sqrt", "Pow", "Split", "Where"}  # in the two programs below
    compared = {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"}
    assert set(OPERATORS) == {case[0] for case in CASES} | joined - {"Where"} | compared


def test_truth_values_and_parts_compute_the_same_in_a_package(tmp_path):
    names = ("Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal")
    nodes = [
        Node("Split", ("image",), ("left", "right"), {"axis": 1, "split": (2, 2)}, "split"),
        *(Node(op, ("left", "right"), (f"is{op}",), {}, op) for op in names),
        Node("And", ("isGreater", "isGreaterOrEqual"), ("both",), {}, "both"),
        Node("Or", ("both", "isEqual"), ("either",), {}, "either"),
        Node("Not", ("either",), ("neither",), {}, "neither"),
        *(Node("Cast", (f"is{op}",), (f"number{op}",), {"to": "float32"}, f"number{op}") for op in names),
        Node("Cast", ("neither",), ("number",), {"to": "float32"}, "number"),
        Node("Abs", ("left",), ("size",), {}, "size"),
        Node("Sqrt", ("size",), ("root",), {}, "root"),
        Node("Log", ("size",), ("log",), {}, "log"),
        Node("Pow", ("size", "exponent"), ("power",), {}, "power"),
        Node("Sum", ("root", "log", "power", "number", *(f"number{op}" for op in names)), ("result",), {}, "result"),
    ]
    constants = {"exponent": np.float32(1.5).reshape(1)}
    graph = Graph(tuple(nodes), (Value("image", PICTURE),), (Value("result", (1, 2, 7, 6)),), constants)
    image = draw(*PICTURE)
    got = run_reference(written(graph, tmp_path / "net.mlpackage"), {"image": image})["result"]
    assert difference(got, run_reference(graph, {"image": image})["result"])[0] < 1e-12


@pytest.mark.parametrize(("op", "others", "attrs", "shape", "text"), [
    ("MaxPool", [], {"kernel_shape": (2, 2), "dilations": (2, 2)}, PICTURE, "a pool with dilations"),
    ("Slice", [], {"starts": (5,), "ends": (0,), "axes": (2,), "steps": (-1,)}, PICTURE, "a negative step"),
    ("Pad", [], {"pads": (0, 0, -1, 0, 0, 0, 0, 0)}, PICTURE, "padding"),
    ("ArgMax", [], {"select_last_index": 1}, PICTURE, "the last of equal values"),
    ("Gemm", [None], {}, (4, 4), "a product of two tensors"),
    ("Gemm", [draw(4, 4), draw(4, 1)], {}, (4, 4), "a bias for each row"),
    ("Resize", [], {"sizes": (2, 0, 0, 0)}, PICTURE, "resizing"),
    ("AveragePool", [], POOL | {"ceil_mode": 1, "count_include_pad": 1}, PICTURE, "ceil_mode with"),
    ("Cast", [], {"to": "uint8"}, PICTURE, "a tensor of uint8"),
])  # fmt: skip
def test_what_has_no_form_is_refused_in_one_line(tmp_path, op, others, attrs, shape, text):
    with pytest.raises(Unsupported, match=rf"^node 'result' \({op}\): .*{text}.* cannot be written for Core ML$"):
        write_package(one_node(op, others, attrs, shape), tmp_path / "net.mlpackage", "float32")
    assert not list(tmp_path.iterdir())


def test_unknown_operators_are_named_all_at_once(tmp_path):
    nodes = (
        Node("Size", ("image",), ("a",), {}, "a"), Node("Size", ("image",), ("b",), {}, "b"),
        Node("LayerNormalization", ("image", "scale"), ("c",), {}, "c"),
    )  # fmt: skip
    graph = Graph(nodes, (Value("image", PICTURE),), (Value("c", PICTURE),), {"scale": draw(6)})
    with pytest.raises(Unsupported, match=r"cannot be written for Core ML: .*Size.*2"):
        write_package(graph, tmp_path / "net.mlpackage", "float32")


def test_open_sizes_are_refused(tmp_path):
    node = Node("Relu", ("image",), ("result",), {}, "result")
    graph = Graph((node,), (Value("image", (1, None, 8, 8)),), (Value("result", (1, None, 8, 8)),), {})
    with pytest.raises(Unsupported, match=r"'image' .* is open; only heights and widths of Core ML's pictures can be$"):
        write_package(graph, tmp_path / "net.mlpackage", "float32")
