"""Quantised networks in LiteRT: whole numbers with the graph's own scales, against the graph in whole numbers."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")

import underone as uo
from underone.compare import Verdict, difference
from underone.errors import ParityFailed, Unsupported
from underone.foreign.bounded import open_file
from underone.foreign.from_tflite.model_file import parse
from underone.formats import read_back
from underone.formats.litert import of_tflite, whole, write_tflite
from underone.graph import Graph, Node, Value, infer_shapes, run_reference, to_onnx
from underone.graph.integer_form import integer_convolutions
from underone.graph.reference import run_nodes
from underone.quantization.layers import layers_of
from underone.quantization.qdq import to_qdq
from underone.quantization.scheme import Range, Scheme
from underone.quantization.walk import plain_weights
from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec

SIZE = 33


def network(pads=(1, 1, 1, 1)):
    """Every operator that is computed in whole numbers, explicit and TensorFlow's padding, a map that stays float32."""
    rng = np.random.default_rng(0)
    shapes = {"stem": (8, 3, 3, 3), "depthwise": (8, 1, 3, 3), "point": (8, 8, 1, 1), "map": (5, 16, 1, 1),
              "head": (6, 16)}  # fmt: skip
    constants = {n: (rng.standard_normal(s) / np.sqrt(np.prod(s[1:]))).astype(np.float32) for n, s in shapes.items()}
    constants["stem.bias"] = rng.standard_normal(8).astype(np.float32)
    pool = {"kernel_shape": (3, 3), "strides": (2, 2), "auto_pad": "SAME_UPPER"}
    twice = {"scales": (1, 1, 2, 2), "mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    steps = [
        ("Conv", "image stem stem.bias", "a/1", {"strides": (2, 2), "pads": pads}),
        ("Clip", "a/1", "a", {"min": 0.0, "max": 6.0}),
        ("Conv", "a depthwise", "b/1", {"group": 8, "auto_pad": "SAME_UPPER"}),
        ("Relu", "b/1", "b", {}),
        ("Conv", "b point", "c", {}),
        ("Add", "c a", "d", {}),
        ("Mul", "d b", "e", {}),
        ("HardSwish", "e", "f", {}),
        ("MaxPool", "f", "g", pool),
        ("AveragePool", "f", "h", pool),
        ("Resize", "g", "i", twice),
        ("Slice", "i", "j", {"starts": (0, 0), "ends": (9, 9), "axes": (2, 3), "steps": (1, 1)}),
        ("Concat", "j h", "k", {"axis": 1}),
        ("Conv", "k map", "logits", {}),
        ("GlobalAveragePool", "k", "mean", {}),
        ("Flatten", "mean", "row", {}),
        ("Gemm", "row head", "scores", {"transB": 1}),
    ]
    nodes = tuple(Node(op, tuple(i.split()), (o,), attrs, o) for op, i, o, attrs in steps)
    outputs = (("scores", (None, 6)), ("logits", (None, 5, 9, 9)))
    image = InputSpec(shape=(None, 3, SIZE, SIZE), preparation=IMAGENET_PREPARATION)
    spec = ModelSpec(name="whole", inputs=(image,), outputs=tuple(OutputSpec(name=n, shape=s) for n, s in outputs))
    values = tuple(Value(n, s) for n, s in outputs)
    return Graph(nodes, (Value("image", (None, 3, SIZE, SIZE)),), values, constants, spec)


@pytest.fixture(scope="module")
def quantised():
    """The network with the range that noise fills in each tensor; pools and moves keep their operand's."""
    graph = network()
    image = np.random.default_rng(1).standard_normal((1, 3, SIZE, SIZE)).astype(np.float32)
    ranges = {"image": Range(float(image.min()), float(image.max()))}
    for node, (result, *_) in run_nodes(graph, {"image": image}):
        name = node.outputs[0]
        kept = node.op in ("MaxPool", "AveragePool", "Resize", "Slice", "Flatten")
        ranges[name] = ranges[node.inputs[0]] if kept else Range(float(result.min()), float(result.max()))
    for name in ("a/1", "b/1", "scores", "logits"):
        del ranges[name]
    weights = {layer.output: plain_weights(graph, layer) for layer in layers_of(graph)}
    return to_qdq(graph, Scheme(ranges, weights))


def operators(path):
    return Counter(operator.op for operator in parse(open_file(path)).operators)


def test_everything_between_the_borders_is_whole(tmp_path, quantised):
    path = tmp_path / "whole.tflite"
    write_tflite(quantised, path, "float32")
    found = operators(path)
    assert found["QUANTIZE"] == 3  # the picture, and what is concatenated, whose scale is another one
    assert found["DEQUANTIZE"] == 4  # weight and operand of the two layers whose results stay float32
    assert not {"RELU", "RELU6"} & set(found)
    file = parse(open_file(path))
    made = {file.tensors[o].name: np.dtype(file.tensors[o].dtype) for x in file.operators for o in x.outputs}
    real = {name for name, dtype in made.items() if dtype == np.float32}
    assert real == {"scores", "logits", "k_float_real", "row_float_real", "scores_weight", "logits_weight"}


def test_scales_are_those_of_the_graph(tmp_path, quantised):
    path = tmp_path / "whole.tflite"
    write_tflite(quantised, path, "float32")
    tensors = {t.name: t for t in parse(open_file(path)).tensors}
    for name in ("c", "d", "k"):
        scale, zero = (quantised.constants[f"{name}/{part}"] for part in ("scale", "zero"))
        assert tensors[name].scaled.scale == [scale]
        assert tensors[name].scaled.zero == [int(zero) - 128]
    stem = tensors["a_1_weight_int8"]
    np.testing.assert_array_equal(stem.scaled.scale, quantised.constants["stem.weight/scale"])
    np.testing.assert_array_equal(stem.value.transpose(0, 3, 1, 2), quantised.constants["stem.weight/int8"])
    np.testing.assert_array_equal(tensors["a_1_bias"].value, quantised.constants["stem.bias/int32"])


@pytest.mark.parametrize("seed", range(4))
def test_litert_rounds_as_the_graph_does(tmp_path, quantised, seed):
    """LiteRT's own kernels are the oracle: one quantum of an output's range is 4e-3 of it."""
    path = tmp_path / "whole.tflite"
    write_tflite(quantised, path, "float32")
    image = np.random.default_rng(seed).standard_normal((1, 3, SIZE, SIZE)).astype(np.float32)
    got = of_tflite(path, quantised.spec).run({"image": image})
    want = run_reference(integer_convolutions(quantised), {"image": image})
    for name, array in want.items():
        assert np.abs(got[name] - array).max() <= 2 * np.ptp(array) / 255
        assert difference(got[name], array)[0] < 1e-4


def test_export_proves_a_quantised_network(tmp_path, quantised):
    source, path = tmp_path / "whole.onnx", tmp_path / "whole.tflite"
    source.write_bytes(to_onnx(quantised))
    uo.export(source, path)
    verdict = Verdict.from_json(path.with_name("whole.tflite.verdict.json").read_text())
    assert verdict.subject == "whole.tflite (int8)"
    assert {row.on.split(", ")[1] for row in verdict.comparisons} == {"reference", "litert"}
    assert max(row.nmse for row in verdict.comparisons) < 1e-3


def test_scales_of_other_channels_are_found_and_nothing_is_kept(tmp_path, quantised, monkeypatch):
    read = whole.numbers_of

    def reversed_steps(node, constants):
        steps, zeros = read(node, constants)
        return steps[::-1], zeros

    monkeypatch.setattr(whole, "numbers_of", reversed_steps)
    with pytest.raises(ParityFailed, match=r"whole\.tflite was not written"):
        uo.export(quantised, tmp_path / "whole.tflite")
    assert not list(tmp_path.iterdir())


def test_padding_on_another_side_is_found(tmp_path, quantised, monkeypatch):
    row = read_back.FORMATS[".tflite"]
    other = network(pads=(0, 0, 2, 2)).nodes[0].attrs
    nodes = tuple(replace(n, attrs=other) if n.name == "a/1" else n for n in quantised.nodes)

    def wrong(graph, path, dtype):
        row.write(replace(graph, nodes=nodes), path, dtype)

    monkeypatch.setattr(read_back, "FORMATS", {".tflite": replace(row, write=wrong)})
    with pytest.raises(ParityFailed, match=r"whole\.tflite was not written"):
        uo.export(quantised, tmp_path / "whole.tflite")


def rounding(scale, zero, op="QuantizeLinear"):
    """A tensor that is rounded, and read again with a scale."""
    constants = {"scale": np.float32(0.1), "zero": np.uint8(3), "other": scale, "other_zero": zero}
    nodes = (
        Node("QuantizeLinear", ("image", "scale", "zero"), ("whole",), {}, "whole"),
        Node(op, ("whole" if op == "DequantizeLinear" else "image", "other", "other_zero"), ("result",), {}, "result"),
    )
    values = tuple(Value(n, (1, 4)) for n in ("image", "result"))
    return Graph(nodes, values[:1], values[1:], {n: np.asarray(v) for n, v in constants.items()})


@pytest.mark.parametrize(("scale", "zero", "op", "text"), [
    (np.float32(0.2), np.uint8(3), "DequantizeLinear", "'whole' is rounded to .* and read with"),
    (np.full(4, 0.1, np.float32), np.zeros(4, np.uint8), "QuantizeLinear", "4 steps and uint8 cannot be written"),
    (np.float32(0.1), np.int32(0), "DequantizeLinear", "1 steps and int32 cannot be written for LiteRT; it takes one"),
])  # fmt: skip
def test_scales_that_litert_does_not_have_are_refused(tmp_path, scale, zero, op, text):
    with pytest.raises(Unsupported, match=text):
        write_tflite(rounding(scale, zero, op), tmp_path / "a.tflite", "float32")


def test_scales_that_are_computed_are_refused(tmp_path):
    graph = rounding(np.float32(0.1), np.uint8(0), "QuantizeLinear")
    constants = {n: c for n, c in graph.constants.items() if n != "scale"}
    graph = replace(graph, inputs=(*graph.inputs, Value("scale", ())), constants=constants)
    with pytest.raises(Unsupported, match="a scale that is computed cannot be written for LiteRT"):
        write_tflite(graph, tmp_path / "a.tflite", "float32")


def test_weight_with_several_zero_points_is_refused(tmp_path):
    constants = {"w": np.ones((2, 4), np.int8), "scale": np.ones(2, np.float32), "zero": np.array([0, 1], np.int8)}
    nodes = (
        Node("DequantizeLinear", ("w", "scale", "zero"), ("real",), {"axis": 0}, "real"),
        Node("Gemm", ("image", "real"), ("result",), {"transB": 1}, "result"),
    )
    graph = Graph(nodes, (Value("image", (1, 4)),), (Value("result", (1, 2)),), constants)
    with pytest.raises(Unsupported, match="a weight with several zero points cannot be written for LiteRT"):
        write_tflite(graph, tmp_path / "a.tflite", "float32")


def rounded(source, name, step):
    """Give the two nodes that round a tensor and read it again, and their constants."""
    constants = {f"{name}/step": np.float32(step), f"{name}/zero": np.int8(3)}
    whole_numbers = f"{name}/whole"
    nodes = [
        Node("QuantizeLinear", (source, *constants), (whole_numbers,), {}, whole_numbers),
        Node("DequantizeLinear", (whole_numbers, *constants), (name,), {}, name),
    ]
    return nodes, constants


def in_litert_and_here(tmp_path, nodes, outputs, constants, shape=(1, 4, 3, 3)):
    """Give the outputs of LiteRT and of the interpreter on noise."""
    graph = Graph(tuple(nodes), (Value("image", shape),), tuple(Value(n, ()) for n in outputs), constants)
    shapes = {n: kind.shape for n, kind in infer_shapes(graph).items()}
    made = tuple(OutputSpec(name=n, shape=shapes[n]) for n in outputs)
    spec = ModelSpec(inputs=(InputSpec(shape=shape),), outputs=made)
    graph = replace(graph, outputs=tuple(Value(n, shapes[n]) for n in outputs), spec=spec)
    write_tflite(graph, tmp_path / "a.tflite", "float32")
    given = {"image": np.random.default_rng(0).standard_normal(shape).astype(np.float32)}
    return of_tflite(tmp_path / "a.tflite", spec).run(given), run_reference(graph, given)


@pytest.mark.parametrize(("op", "attrs"), [("Add", {}), ("Mul", {}), ("Concat", {"axis": 1})])
def test_constant_of_whole_numbers_is_what_it_stands_for(tmp_path, op, attrs):
    """Both behind a rounded tensor and first."""
    nodes, constants = rounded("image", "rounded", 0.05)
    whole_numbers = np.random.default_rng(1).integers(-127, 128, (1, 4, 1, 3)).astype(np.int8)
    constants |= {"few": np.repeat(whole_numbers, 3, 2), "few/step": np.float32(0.02), "few/zero": np.int8(-4)}
    nodes += [
        Node("DequantizeLinear", ("few", "few/step", "few/zero"), ("real",), {}, "real"),
        Node(op, ("rounded", "real"), ("behind",), attrs, "behind"),
        Node(op, ("real", "rounded"), ("first",), attrs, "first"),
    ]
    got, want = in_litert_and_here(tmp_path, nodes, ("behind", "first"), constants)
    for name, array in want.items():
        assert difference(got[name], array)[0] < 1e-11


def test_bounds_of_whole_numbers_are_in_their_scale(tmp_path):
    nodes, constants = rounded("image", "in", 0.05)
    after, more = rounded("within", "out", 0.05)
    nodes += [Node("Clip", ("in",), ("within",), {"min": -0.5, "max": 1.2}, "within"), *after]
    got, want = in_litert_and_here(tmp_path, nodes, ("out",), constants | more)
    assert difference(got["out"], want["out"])[0] < 1e-11
    made = Counter(operator.op for operator in parse(open_file(tmp_path / "a.tflite")).operators)
    assert made == {"QUANTIZE": 1, "MAXIMUM": 1, "MINIMUM": 1, "DEQUANTIZE": 1}


def test_activation_is_not_fused_where_rounded_numbers_are_read_twice(tmp_path):
    nodes, constants = rounded("image", "in", 0.05)
    after, more = rounded("a", "once", 0.1)
    weight = np.random.default_rng(1).integers(-127, 128, (4, 4, 1, 1)).astype(np.int8)
    constants |= more | {"w": weight, "w/step": np.float32(0.01), "w/zero": np.int8(0)}
    nodes += [
        Node("DequantizeLinear", ("w", "w/step", "w/zero"), ("real",), {}, "real"),
        Node("Conv", ("in", "real"), ("a",), {}, "a"),
        *after,
        replace(after[1], outputs=("again",), name="again"),
        Node("Relu", ("once",), ("positive",), {}, "positive"),
        Node("Add", ("again", "again"), ("twice",), {}, "twice"),
    ]
    got, want = in_litert_and_here(tmp_path, nodes, ("positive", "twice"), constants)
    for name, array in want.items():
        np.testing.assert_allclose(got[name], array, atol=0.201)  # a sum in the middle of two steps goes either way


def test_weight_of_whole_numbers_alone_stays_small(tmp_path):
    """Weights in 8 bits behind a float32 tensor: stored so, computed in float32."""
    rng = np.random.default_rng(0)
    whole_numbers = rng.integers(-127, 128, (64, 48)).astype(np.int8)
    steps = rng.uniform(0.01, 0.02, 64).astype(np.float32)
    constants = {"w": whole_numbers, "scale": steps, "zero": np.zeros(64, np.int8)}
    nodes = (
        Node("DequantizeLinear", ("w", "scale", "zero"), ("real",), {"axis": 0}, "real"),
        Node("Gemm", ("image", "real"), ("result",), {"transB": 1}, "result"),
    )
    spec = ModelSpec(inputs=(InputSpec(shape=(1, 48)),), outputs=(OutputSpec(name="result", shape=(1, 64)),))
    graph = Graph(nodes, (Value("image", (1, 48)),), (Value("result", (1, 64)),), constants, spec)
    path = tmp_path / "a.tflite"
    write_tflite(graph, path, "float32")
    image = rng.standard_normal((1, 48)).astype(np.float32)
    got = of_tflite(path, spec).run({"image": image})["result"]
    want = image @ (whole_numbers.astype(np.float64) * steps[:, None]).T
    assert difference(got, want)[0] < 1e-12
    assert path.stat().st_size < 2 * whole_numbers.size
