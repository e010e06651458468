"""Weights in few bits: what is rounded, to what, and that it is refused where answers change."""

from dataclasses import replace

import numpy as np
import pytest

from underone.compare import Verdict
from underone.errors import BadValue, ParityFailed, UnknownName, Unsupported
from underone.formats import export
from underone.formats.forms import of_graph
from underone.formats.small_weights import PALETTES, require_small, shrunk, with_small_weights
from underone.graph import Graph, Node, Value, run_reference
from underone.spec import InputSpec, ModelSpec, OutputSpec

WIDE = 64


def network(scale=1.0, classes=40):
    """A convolution of 3 x 64 x 9 weights, one of 64 x 64, and a product; values spread as in trained networks."""
    rng = np.random.default_rng(0)
    shapes = {"stem": (WIDE, 3, 3, 3), "point": (WIDE, WIDE, 1, 1), "head": (WIDE, classes)}
    constants = {n: (rng.laplace(size=s) * scale / np.sqrt(s[1])).astype(np.float32) for n, s in shapes.items()}
    constants["bias"] = rng.standard_normal(classes).astype(np.float32)
    nodes = (
        Node("Conv", ("image", "stem"), ("a",), {"strides": (2, 2)}, "a"),
        Node("Relu", ("a",), ("b",), {}, "b"),
        Node("Conv", ("b", "point"), ("c",), {}, "c"),
        Node("GlobalAveragePool", ("c",), ("d",), {}, "d"),
        Node("Flatten", ("d",), ("e",), {}, "e"),
        Node("Gemm", ("e", "head", "bias"), ("logits",), {}, "logits"),
    )
    image, logits = Value("image", (None, 3, 33, 33)), Value("logits", (None, classes))
    spec = ModelSpec(
        name="small",
        task="classify",
        inputs=(InputSpec(shape=image.shape),),
        outputs=(OutputSpec(name="logits", shape=logits.shape, meaning="logits"),),
    )
    return Graph(nodes, (image,), (logits,), constants, spec)


def weight_of(graph, name):
    """Run the node that unpacks a weight."""
    (node,) = (n for n in graph.nodes if n.outputs == (name,))
    part = Graph((node,), (), (Value(name, ()),), graph.constants)
    return run_reference(part, {})[name]


@pytest.mark.parametrize(("name", "axis"), [("point", 0), ("head", 1)])
def test_whole_numbers_are_within_half_a_step_of_each_output(name, axis):
    weight, small = network().constants[name], with_small_weights(network(), "int8")
    others = tuple(a for a in range(weight.ndim) if a != axis)
    step = np.abs(weight).max(axis=others, keepdims=True) / 127
    assert (np.abs(weight_of(small, name) - weight) <= 0.501 * step).all()
    assert small.constants[f"{name}/int8"].dtype == np.int8
    assert small.constants[f"{name}/scale"].shape == (weight.shape[axis],)


@pytest.mark.parametrize("how", PALETTES)
def test_palette_is_nearly_the_best_of_its_size(how):
    """The exact optimum in one dimension, by coremltools' k-means, is the oracle."""
    pytest.importorskip("coremltools")
    from coremltools._deps.kmeans1d import cluster

    weight = network().constants["point"]
    small = weight_of(with_small_weights(network(), how), "point")
    assert len(np.unique(small)) <= PALETTES[how]
    clusters, centres = cluster(weight.ravel(), PALETTES[how])
    best = np.array(centres)[clusters].reshape(weight.shape)
    error, least = (np.mean((w - weight) ** 2) for w in (small, best))
    assert error <= 1.5 * least


def test_small_weights_and_biases_stay():
    small = with_small_weights(network(), "int8")
    assert {"stem", "bias"} <= set(small.constants)
    assert not {"point", "head"} & set(small.constants)


def test_what_rounding_costs_stands_in_the_verdict(tmp_path):
    pytest.importorskip("ai_edge_litert")
    path = export(network(), tmp_path / "small.tflite", weights="int8")
    verdict = Verdict.from_json(path.with_name("small.tflite.verdict.json").read_text())
    (cost,) = (row for row in verdict.comparisons if "weights in int8 against reference" in row.on)
    assert 1e-6 < cost.nmse < 1e-3
    assert max(row.nmse for row in verdict.comparisons if row is not cost) < 1e-10
    plain = export(network(), tmp_path / "plain.tflite")
    assert plain.stat().st_size - path.stat().st_size > 2.9 * WIDE * (WIDE + 40) - 4000


def doubled(graph):
    """A graph with all constants twice as large."""
    return replace(graph, constants={name: 2 * value for name, value in graph.constants.items()})


def test_rounding_that_changes_the_answers_is_refused(monkeypatch):
    from underone.formats import small_weights

    right = small_weights._in_int8
    turned = lambda weight, axis: right(weight, axis) | {"scale": right(weight, axis)["scale"] * 2}  # noqa: E731
    monkeypatch.setattr(small_weights, "_in_int8", turned)
    graph = network()
    with pytest.raises(ParityFailed, match=r"weights='int8' change the answers of 'small': .* leave them as they are"):
        shrunk(graph, of_graph(graph), "int8")
    monkeypatch.setattr(small_weights, "with_small_weights", lambda graph, how: doubled(graph))
    with pytest.raises(ParityFailed, match=r"weights='palette4' change .* int8 and palette8 keep more"):
        shrunk(graph, of_graph(graph), "palette4")


def test_forms_that_a_format_cannot_hold_are_refused(tmp_path):
    with pytest.raises(UnknownName, match=r"unknown form of weights of LiteRT 'palette4'\. Known: int8"):
        require_small("palette4", ("int8",), "LiteRT")
    with pytest.raises(Unsupported, match=r"weights='int8': ONNX is written with plain weights only"):
        export(network(), tmp_path / "small.onnx", weights="int8")
    with pytest.raises(Unsupported, match=r"target='iOS16': ONNX has no targets; Core ML has"):
        export(network(), tmp_path / "small.onnx", target="iOS16")
    assert not list(tmp_path.iterdir())


def test_quantised_networks_have_small_weights_already():
    constants = {"scale": np.float32(0.1), "zero": np.uint8(0)}
    node = Node("QuantizeLinear", ("image", "scale", "zero"), ("result",), {}, "result")
    values = tuple(Value(n, (1, 4)) for n in ("image", "result"))
    graph = Graph((node,), values[:1], values[1:], {n: np.asarray(c) for n, c in constants.items()})
    with pytest.raises(BadValue, match=r"is quantised, its weights have 8 bits already"):
        with_small_weights(graph, "int8")
