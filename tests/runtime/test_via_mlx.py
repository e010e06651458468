"""MLX's operators against the cases that come with onnx; networks against the reference interpreter."""

import threading
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mlx", reason="the package mlx is not installed")

from underone.compare import difference
from underone.errors import BadFile, Unsupported
from underone.graph import Graph, Node, Value, infer_shapes, read_onnx, run_reference, to_float16, to_onnx
from underone.runtime import load
from underone.runtime.mlx_ops import OPERATORS

X = (2, 6, 9, 8)  # (N, C, H, W)
WINDOW = {"kernel_shape": (3, 3), "strides": (2, 2), "pads": (1, 0, 0, 1)}

# what onnx's own cases leave out: four axes, where the order of the axes matters
CASES = [
    ("Conv", {"strides": (2, 1), "pads": (1, 2, 0, 1), "dilations": (2, 1), "group": 2}, [X, (4, 3, 3, 2), (4,)]),
    ("Conv", {"auto_pad": "SAME_UPPER", "strides": (2, 2), "group": 6}, [X, (6, 1, 4, 4), (6,)]),
    ("BatchNormalization", {"epsilon": 0.1}, [X, (6,), (6,), (6,), (6,)]),
    ("BatchNormalization", {}, [(3, 4), (4,), (4,), (4,), (4,)]),
    ("AveragePool", WINDOW | {"count_include_pad": 1, "ceil_mode": 1}, [X]),
    ("MaxPool", WINDOW | {"ceil_mode": 1, "dilations": (2, 1)}, [X]),
    *((op, {}, [X, shape]) for op in ("Add", "Div") for shape in ((6, 1, 1), (8,), (1, 6, 1, 1), X)),
    *(("Softmax", {"axis": axis}, [X]) for axis in (1, -1)),
    *(("Concat", {"axis": axis}, [X, X]) for axis in (0, 1, 3)),
    *(("Split", {"axis": 1, "split": (1, 2, 3)}, [shape]) for shape in (X, X[:3])),
    ("Reshape", {"shape": (0, -1, 4)}, [X]),
    ("Reshape", {"shape": (2, 3, 2, 4)}, [(2, 24)]),
    ("Flatten", {"axis": 2}, [X]),
    ("Transpose", {"perm": (0, 2, 3, 1)}, [X]),
    ("Transpose", {"perm": (3, 0, 2, 1)}, [X]),
    ("Slice", {"starts": (1, -1), "ends": (5, -(2**31)), "axes": (1, 3), "steps": (2, -3)}, [X]),
    ("Slice", {"starts": (1, -1), "ends": (2**63 - 1, -(2**63)), "axes": (1, 3), "steps": (1, -1)}, [X]),
    ("Squeeze", {"axes": (1, -1)}, [(2, 1, 3, 1)]),
    ("Unsqueeze", {"axes": (3, 0)}, [(2, 5)]),
    ("Pad", {"pads": (0, 0, 1, 2, 0, 0, 3, 1), "value": 0.5}, [X]),
    ("Resize", {"sizes": (2, 6, 18, 5), "mode": "linear"}, [X]),
    ("Resize", {"scales": (1.0, 1.0, 2.0, 0.5), "mode": "cubic"}, [X]),
    ("MatMul", {}, [X, (2, 6, 8, 3)]),
]


@pytest.mark.parametrize(("op", "attrs", "shapes"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_operator_is_the_reference_interpreters(op, attrs, shapes):
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(0.1, 1, shape).astype(np.float32) for shape in shapes]
    names = [f"x{i}" for i in range(len(shapes))]
    outputs = tuple(f"y{i}" for i in range(len(attrs.get("split", (1,)))))
    graph = Graph(
        (Node(op, tuple(names), outputs, attrs, "node"),),
        tuple(map(Value, names[:1], shapes)),
        tuple(Value(name, ()) for name in outputs),
        dict(zip(names[1:], arrays[1:], strict=True)),
    )
    want = run_reference(graph, {"x0": arrays[0]})
    graph = replace(graph, outputs=tuple(Value(n, want[n].shape) for n in outputs))
    got = load(to_onnx(graph), "mlx").run({"x0": arrays[0]})
    for name in outputs:
        assert got[name].shape == want[name].shape
        assert difference(got[name], want[name])[0] < 1e-10


def unfit(content):
    """Say why a case is none for this adapter: MLX has no float64, and pictures of two axes only have a layout."""
    graph = read_onnx(content, "case")
    kinds = {a.dtype.name for a in graph.constants.values()} | {v.dtype for v in (*graph.inputs, *graph.outputs)}
    return not kinds <= {"float32", "int64"} or any(None in v.shape or 0 in v.shape for v in graph.inputs)


@pytest.mark.parametrize("op", sorted(OPERATORS))
def test_operator_gives_what_onnx_says(onnx_cases, op):
    refused = []
    for name, case in onnx_cases.items():
        if case.op != op or case.refusal:
            continue
        for content, inputs, expected in case.files():
            if unfit(content):
                continue
            try:
                found = load(content, "mlx").run(inputs)
            except Unsupported as error:
                refused.append(f"{name}: {error}")
                continue
            for got, want in zip(found.values(), expected, strict=False):
                assert got.shape == want.shape, name
                np.testing.assert_allclose(got, want, rtol=case.rtol, atol=1e-5, err_msg=name)
    assert all("use backend 'reference'" in text for text in refused)


@pytest.mark.parametrize(("precision", "limit"), [("float32", 1e-10), ("float16", 1e-5)])
def test_network_is_the_reference_interpreters(described, image, precision, limit):
    want = load(described, "reference").run(image)["logits"]
    nmse, _ = difference(load(described, "mlx", precision=precision).run(image)["logits"], want)
    assert (0 if precision == "float32" else 1e-9) < nmse < limit


def test_float16_rounds_as_the_interpreter_says(described, image):
    graph = read_onnx(described, "net")
    exact, rounded = (run_reference(g, {"image": image})["logits"] for g in (graph, to_float16(graph)))
    got = load(described, "mlx", precision="float16").run(image)["logits"]
    assert difference(got, exact)[0] < 4 * difference(rounded, exact)[0]


def test_pictures_of_another_size_are_calculated_as_such(described, image):
    net, reference = load(described, "mlx"), load(described, "reference")
    for given in (image, np.concatenate([image, image]), image):
        assert difference(net.run(given)["logits"], reference.run(given)["logits"])[0] < 1e-10


def test_any_thread_calls_and_clones(described, image):
    net, found = load(described, "mlx"), []

    def call():
        found.append(net.run(image)["logits"])
        found.append(net.clone().run(image)["logits"])

    want = net.run(image)["logits"]
    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.array_equal(logits, want) for logits in found)


def test_what_the_table_lacks_is_named(write_onnx):
    from onnx import TensorProto, helper

    borders = [[(name, TensorProto.FLOAT, [1, 4])] for name in ("x", "y")]
    with pytest.raises(Unsupported, match=r"backend 'mlx' lacks the operators Mish; use backend 'reference'"):
        load(write_onnx([helper.make_node("Mish", ["x"], ["y"])], {}, *borders, opset=18), "mlx")


@pytest.mark.parametrize(("op", "attrs", "shapes", "text"), [
    ("Conv", {}, [(1, 3, 7), (4, 3, 3)], r"Conv on 3 axes is not in this adapter"),
    ("MaxPool", {"kernel_shape": (2,)}, [(1, 3, 7)], r"a pool on 3 axes is not in this adapter"),
    ("Pad", {"pads": (0, 0, 1, 0, 0, 0), "mode": "edge"}, [(1, 3, 7)], r"Pad .* in mode 'edge' is not in MLX"),
])  # fmt: skip
def test_what_mlx_cannot_do_is_refused(op, attrs, shapes, text):
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    constants = {f"w{i}": array for i, array in enumerate(arrays[1:])}
    graph = Graph((Node(op, ("x", *constants), ("y",), attrs, "y"),), (Value("x", shapes[0]),), (), constants)
    graph = replace(graph, outputs=(Value("y", infer_shapes(graph)["y"].shape),))
    with pytest.raises(Unsupported, match=text):
        load(to_onnx(graph), "mlx").run(arrays[0])


def test_what_mlx_refuses_is_one_line(described, image, monkeypatch):
    net = load(described, "mlx")
    monkeypatch.setattr(net._adapter, "walk", lambda *_: (_ for _ in ()).throw(RuntimeError("no kernel\nat all")))
    with pytest.raises(BadFile, match=r"MLX cannot run it: no kernel$"):
        net.run(image)
