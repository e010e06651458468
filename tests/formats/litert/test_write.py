"""TFLite files, run by LiteRT and read again by our own reader; both must give what the graph gives."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")

import underone as uo
from underone.compare import Verdict, difference
from underone.errors import ParityFailed, Unsupported
from underone.foreign import read_foreign
from underone.formats import litert, read_back
from underone.formats.litert import of_tflite, write_tflite
from underone.formats.litert.operators import OPERATORS
from underone.graph import Graph, Node, Value, run_reference, to_onnx
from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec

RNG = np.random.default_rng(0)
PICTURE = (1, 4, 7, 6)
WINDOW = {"strides": (2, 1), "pads": (0, 1, 2, 1)}


def draw(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


# operator, constants behind the first operand (None: the first operand again), attributes, shape
CASES = [
    ("Conv", [draw(6, 4, 3, 3), draw(6)], WINDOW | {"dilations": (1, 1)}, PICTURE),
    ("Conv", [draw(6, 4, 3, 3)], {"strides": (2, 2), "auto_pad": "SAME_UPPER"}, PICTURE),
    ("Conv", [draw(6, 4, 3, 3)], {"strides": (2, 2), "auto_pad": "SAME_LOWER"}, PICTURE),
    ("Conv", [draw(6, 4, 3, 3)], {"dilations": (2, 2), "pads": (2, 2, 2, 2)}, PICTURE),
    ("Conv", [draw(4, 1, 3, 3), draw(4)], {"group": 4, "strides": (2, 2), "pads": (1, 1, 1, 1)}, PICTURE),
    ("Conv", [draw(8, 1, 3, 3)], {"group": 4}, PICTURE),
    ("Gemm", [draw(6, 5), draw(5)], {}, (3, 6)),
    ("Gemm", [draw(6, 5), draw(1, 5)], {}, (3, 6)),
    ("Gemm", [draw(5, 6), draw(5)], {"transB": 1, "beta": 0.5}, (3, 6)),
    ("Softmax", [], {"axis": 1}, PICTURE),
    ("Softmax", [], {"axis": -1}, (3, 6)),
    ("Clip", [], {"min": 0.0, "max": 6.0}, PICTURE),
    ("Clip", [], {"min": -0.5, "max": 0.75}, PICTURE),
    *((op, [], {}, PICTURE) for op in ("Relu", "HardSwish", "Sigmoid", "Tanh", "Exp", "GlobalAveragePool", "Flatten")),
    *((op, [draw(4, 1, 1)], {}, PICTURE) for op in ("Add", "Sub", "Mul", "Div")),
    *((op, [None], {}, PICTURE) for op in ("Add", "Mul", "Div")),
    ("AveragePool", [], {"kernel_shape": (3, 3), "strides": (2, 2), "auto_pad": "SAME_UPPER"}, PICTURE),
    ("AveragePool", [], {"kernel_shape": (2, 2), "strides": (2, 2)}, PICTURE),
    ("AveragePool", [], WINDOW | {"kernel_shape": (3, 3), "count_include_pad": 1}, PICTURE),
    ("AveragePool", [], {"kernel_shape": (3, 3), "auto_pad": "SAME_UPPER", "count_include_pad": 1}, PICTURE),
    ("MaxPool", [], WINDOW | {"kernel_shape": (3, 3)}, PICTURE),
    ("MaxPool", [], {"kernel_shape": (2, 2), "strides": (2, 2), "ceil_mode": 1}, PICTURE),
    ("Reshape", [], {"shape": (1, -1, 6)}, PICTURE),
    ("Squeeze", [], {"axes": (0,)}, PICTURE),
    ("Unsqueeze", [], {"axes": (0,)}, PICTURE[1:]),
    ("Transpose", [], {"perm": (0, 2, 3, 1)}, PICTURE),
    ("Concat", [draw(1, 2, 7, 6)], {"axis": 1}, PICTURE),
    ("Slice", [], {"starts": (1, -4), "ends": (7, 6), "axes": (2, 3), "steps": (2, 1)}, PICTURE),
    ("Pad", [], {"pads": (0, 0, 1, 2, 0, 0, 0, 1), "value": 0.5}, PICTURE),
    *(
        ("Resize", [], {"sizes": (0, 0, 13, 17), "mode": "linear", "coordinate_transformation_mode": corners}, PICTURE)
        for corners in ("align_corners", "half_pixel", "asymmetric")
    ),
    *(
        ("Resize", [], {"scales": (1, 1, 13 / 7, 17 / 6), "mode": "linear", "coordinate_transformation_mode": corners},
         PICTURE)
        for corners in ("align_corners", "half_pixel")
    ),
    ("Resize", [], {"sizes": (0, 0, 33, 33)}, (1, 4, 1, 1)),
    ("Resize", [], {"scales": (1, 1, 2, 3), "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
     PICTURE),
]  # fmt: skip


@pytest.mark.parametrize(("op", "others", "attrs", "shape"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_operator_computes_the_same_in_litert(tmp_path, one_node, op, others, attrs, shape):
    graph, path = one_node(op, others, attrs, shape), tmp_path / "net.tflite"
    write_tflite(graph, path, "float32")
    image = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    got = of_tflite(path, graph.spec).run({"image": image})["result"]
    assert difference(got, run_reference(graph, {"image": image})["result"])[0] < 1e-11


def test_every_operator_of_the_table_has_a_case():
    assert set(OPERATORS) == {case[0] for case in CASES}


@pytest.mark.parametrize("size", [64, 65, 33])
@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-11), ("float16", 1e-5)])
def test_network_is_proven_by_litert_and_by_our_reader(tmp_path, two_heads, size, dtype, limit):
    path = uo.export(two_heads(size), tmp_path / "both.tflite", dtype)
    verdict = Verdict.from_json(path.with_name("both.tflite.verdict.json").read_text())
    assert {row.on.split(", ")[1] for row in verdict.comparisons} == {"reference", "litert"}
    assert verdict.versions["litert"]
    assert {row.output for row in verdict.comparisons} == {"codes_out", "logits"}
    assert max(row.nmse for row in verdict.comparisons) < limit
    assert "first" not in verdict.subject
    assert verdict.subject == f"both.tflite ({dtype})"
    source = tmp_path / "both.onnx"
    source.write_bytes(to_onnx(two_heads(size)))
    assert uo.verify(path, source).passed


def test_activations_are_fused_and_padding_is_tensorflows(tmp_path, two_heads):
    from underone.foreign.bounded import open_file
    from underone.foreign.from_tflite.model_file import parse

    path = tmp_path / "both.tflite"
    write_tflite(two_heads(), path, "float32")
    operators = parse(open_file(path)).operators
    kinds = [operator.op for operator in operators]
    assert "RELU6" not in kinds
    assert "TRANSPOSE" not in kinds
    assert "PADV2" not in kinds
    assert next(o.option(3, "<b") for o in operators if o.op == "CONV_2D") == 3  # RELU6


def test_activation_is_not_fused_where_others_read_by_another_name(tmp_path):
    nodes = (
        Node("Conv", ("image", "weight"), ("a",), {}, "a"),
        Node("Transpose", ("a",), ("b",), {"perm": (0, 2, 3, 1)}, "b"),
        Node("Relu", ("b",), ("positive",), {}, "positive"),
        Node("Add", ("a", "a"), ("twice",), {}, "twice"),
    )
    shapes = {"positive": (1, 7, 6, 4), "twice": PICTURE}
    spec = ModelSpec(
        inputs=(InputSpec(shape=PICTURE),), outputs=tuple(OutputSpec(name=n, shape=s) for n, s in shapes.items())
    )
    values = tuple(Value(n, s) for n, s in shapes.items())
    graph = Graph(nodes, (Value("image", PICTURE),), values, {"weight": draw(4, 4, 1, 1)}, spec)
    write_tflite(graph, tmp_path / "a.tflite", "float32")
    image = draw(*PICTURE)
    got, want = of_tflite(tmp_path / "a.tflite", spec).run({"image": image}), run_reference(graph, {"image": image})
    for name, array in want.items():
        assert difference(got[name], array)[0] < 1e-11


def test_numbers_that_float16_cannot_hold_stay_as_they_are(tmp_path):
    constants = {"tiny": np.full((1, 1, 1, 1), 1e-12, np.float32), "huge": np.full((1, 3, 1, 1), 1e5, np.float32)}
    nodes = (Node("Mul", ("x", "huge"), ("h",)), Node("Mul", ("h", "tiny"), ("y",)))
    values = [Value(name, (1, 3, 4, 4)) for name in ("x", "y")]
    path = uo.export(Graph(nodes, values[:1], values[1:], constants), tmp_path / "net.tflite", "float16")
    kept = read_foreign(path).graph().constants.values()
    assert {np.float32(1e-12), np.float32(1e5)} <= {c.flat[0] for c in kept}


def test_float16_halves_the_weights(tmp_path, two_heads):
    sizes = [uo.export(two_heads(), tmp_path / f"{d}.tflite", d).stat().st_size for d in ("float32", "float16")]
    weights = 4 * two_heads().params
    assert sizes[0] - sizes[1] > weights / 2 - 4000


def test_labels_and_preparation_travel_in_the_file(tmp_path, two_heads):
    path = uo.export(two_heads(), tmp_path / "both.tflite")
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode().split() == ["a", "b", "c", "d", "e"]
    file = read_foreign(path)
    assert file.labels == ("a", "b", "c", "d", "e")
    how = file.preparation
    np.testing.assert_allclose(how.mean, np.multiply(IMAGENET_PREPARATION.mean, 255), rtol=1e-6)
    np.testing.assert_allclose(how.std, np.multiply(IMAGENET_PREPARATION.std, 255), rtol=1e-6)


def test_labels_are_those_of_the_output_with_a_score_for_each(tmp_path, two_heads):
    """The second output of two has the scores."""
    from underone.foreign.bounded import open_file
    from underone.foreign.from_tflite.metadata import read_metadata
    from underone.foreign.from_tflite.model_file import parse

    path = uo.export(two_heads(), tmp_path / "both.tflite")
    assert read_metadata(parse(open_file(path)).metadata).labels == {1: "labels.txt"}


@pytest.mark.parametrize("size", [224, 257, 300, 513])
def test_tensorflows_padding_is_kept_at_every_size(tmp_path, one_node, size):
    how = {"strides": (2, 2), "auto_pad": "SAME_UPPER"}
    graph = one_node("Conv", [draw(4, 3, 3, 3)], how, (1, 3, size, size))
    path = tmp_path / "net.tflite"
    write_tflite(graph, path, "float32")
    image = np.random.default_rng(1).standard_normal((1, 3, size, size)).astype(np.float32)
    got = of_tflite(path, graph.spec).run({"image": image})["result"]
    assert difference(got, run_reference(graph, {"image": image})["result"])[0] < 1e-11


def test_fault_is_found_by_litert_and_nothing_is_kept(tmp_path, two_heads, monkeypatch):
    def wrong(graph, path, dtype):
        litert.write_tflite(two_heads(64, padding="SAME_LOWER"), path, dtype)

    row = replace(read_back.FORMATS[".tflite"], write=wrong)
    monkeypatch.setattr(read_back, "FORMATS", {".tflite": row})
    with pytest.raises(
        ParityFailed, match=r"both\.tflite was not written: export FAILED.*first tensor that differs is '"
    ):
        uo.export(two_heads(64), tmp_path / "both.tflite")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("op", "others", "attrs", "shape", "text"), [
    ("Conv", [draw(6, 2, 3, 3)], {"group": 2}, PICTURE, "a convolution in 2 groups of several channels"),
    ("MaxPool", [], {"kernel_shape": (2, 2), "dilations": (2, 2)}, PICTURE, "a pool with dilations"),
    ("AveragePool", [], WINDOW | {"kernel_shape": (3, 3)}, PICTURE, "a mean with padding other than TensorFlow's SAME"),
    ("Conv", [draw(6, 4, 3)], {}, (1, 4, 7), "a tensor of 3 axes"),
    ("Slice", [], {"starts": (5,), "ends": (0,), "axes": (2,), "steps": (-1,)}, PICTURE, "a negative step"),
    ("Pad", [], {"pads": (0, 0, 1, 0, 0, 0, 0, 0), "mode": "edge"}, PICTURE, "in mode 'edge'"),
    ("Resize", [], {"sizes": (0, 0, 13, 17), "mode": "cubic"}, PICTURE, "resizing by 'cubic'"),
    ("Resize", [], {"scales": (1, 1, 1.9, 2.9), "mode": "linear"}, PICTURE, "resizing by 'linear', 'half_pixel'"),
    ("Gemm", [None], {}, (4, 4), "a weight or bias that is computed"),
    ("Gemm", [draw(4, 4), draw(4, 1)], {}, (4, 4), "a bias for each row"),
    ("Conv", [None], {}, PICTURE, "a weight or bias that is computed"),
])  # fmt: skip
def test_what_has_no_form_is_refused_in_one_line(tmp_path, one_node, op, others, attrs, shape, text):
    with pytest.raises(Unsupported, match=rf"^node 'result' \({op}\): .*{text}.* cannot be written for LiteRT$"):
        write_tflite(one_node(op, others, attrs, shape), tmp_path / "net.tflite", "float32")
    assert not list(tmp_path.iterdir())


def test_computed_operand_of_fewer_axes_is_refused(tmp_path):
    nodes = (
        Node("Squeeze", ("image",), ("flat",), {"axes": (0,)}, "flat"),
        Node("Add", ("image", "flat"), ("result",), {}, "result"),
    )
    graph = Graph(nodes, (Value("image", PICTURE),), (Value("result", PICTURE),), {})
    with pytest.raises(Unsupported, match=r"a computed operand of fewer axes cannot be written for LiteRT"):
        write_tflite(graph, tmp_path / "net.tflite", "float32")


def test_operators_sizes_and_orders_that_have_no_form_are_named(tmp_path, one_node, two_heads):
    node, open_shape = Node("Mish", ("image",), ("result",), {}, "result"), (None, 3, None, None)
    with pytest.raises(Unsupported, match="operators that cannot be written for LiteRT: Mish"):
        write_tflite(one_node("Mish", [], {}, PICTURE), tmp_path / "a.tflite", "float32")
    graph = Graph((replace(node, op="Relu"),), (Value("image", open_shape),), (Value("result", open_shape),), {})
    with pytest.raises(Unsupported, match=r"'image' .* is open; LiteRT is written for fixed sizes: give size=\(H, W\)"):
        write_tflite(graph, tmp_path / "a.tflite", "float32")
    with pytest.raises(Unsupported, match=r"nms=True: a \.tflite is written without suppression"):
        uo.export(two_heads(), tmp_path / "a.tflite", nms=True)
    other = IMAGENET_PREPARATION.model_copy(update={"color": "BGR"})
    graph = two_heads()
    image = graph.spec.input.model_copy(update={"preparation": other})
    with pytest.raises(Unsupported, match=r"pictures in BGR: LiteRT's metadata has RGB and grey only"):
        uo.export(replace(graph, spec=graph.spec.model_copy(update={"inputs": (image,)})), tmp_path / "a.tflite")
    half = Graph((), (Value("image", (1, 3), "int16"),), (Value("image", (1, 3), "int16"),), {})
    with pytest.raises(Unsupported, match=r"tensor 'image' is int16; LiteRT files hold float32"):
        write_tflite(half, tmp_path / "a.tflite", "float32")
    assert not list(tmp_path.iterdir())
