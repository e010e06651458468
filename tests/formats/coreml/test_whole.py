"""Core ML packages with weights and activations of few bits, targets, and what falls off the Neural Engine."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("coremltools")

import underone as uo
from underone.compare import Verdict, difference
from underone.errors import ParityFailed, UnknownName, Unsupported
from underone.foreign import read_foreign
from underone.formats.coreml import off_the_neural_engine, whole, write_package
from underone.graph import Graph, Node, Value, run_reference
from underone.quantization.layers import layers_of
from underone.quantization.qdq import to_qdq
from underone.quantization.scheme import Range, Scheme
from underone.quantization.walk import plain_weights
from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec

WIDE = 48


def network(turned=True):
    """A stem, a product wide enough to be rounded, and a head with its matrix in one of two orders."""
    rng = np.random.default_rng(0)
    shapes = {"stem": (WIDE, 3, 3, 3), "point": (WIDE, WIDE, 1, 1), "head": (60, WIDE) if turned else (WIDE, 60)}
    constants = {n: (rng.standard_normal(s) / np.sqrt(np.prod(s[1:]))).astype(np.float32) for n, s in shapes.items()}
    constants |= {"stem.bias": rng.standard_normal(WIDE).astype(np.float32)}
    constants |= {"head.bias": rng.standard_normal(60).astype(np.float32)}
    nodes = (
        Node("Conv", ("image", "stem", "stem.bias"), ("a",), {"strides": (2, 2), "pads": (1, 1, 1, 1)}, "a"),
        Node("Relu", ("a",), ("b",), {}, "b"),
        Node("Conv", ("b", "point"), ("c",), {}, "c"),
        Node("GlobalAveragePool", ("c",), ("d",), {}, "d"),
        Node("Flatten", ("d",), ("e",), {}, "e"),
        Node("Gemm", ("e", "head", "head.bias"), ("logits",), {"transB": 1} if turned else {}, "logits"),
    )
    image, logits = Value("image", (None, 3, 33, 33)), Value("logits", (None, 60))
    how = IMAGENET_PREPARATION.model_copy(update={"resize": "squeeze"})
    spec = ModelSpec(
        name="few",
        inputs=(InputSpec(shape=image.shape, preparation=how),),
        outputs=(OutputSpec(name="logits", shape=logits.shape),),
    )
    return Graph(nodes, (image,), (logits,), constants, spec)


def quantised():
    graph = network()
    spans = {"image": (-3, 3), "b": (0, 6), "c": (-4, 4), "d": (-2, 2), "e": (-2, 2)}
    weights = {layer.output: plain_weights(graph, layer) for layer in layers_of(graph)}
    return to_qdq(graph, Scheme({name: Range(*span) for name, span in spans.items()}, weights))


def model_of(path):
    from coremltools.proto import Model_pb2

    return Model_pb2.Model.FromString((path / "Data/com.apple.CoreML/model.mlmodel").read_bytes())


def kinds_of(path):
    (block,) = model_of(path).mlProgram.functions["main"].block_specializations.values()
    return {operation.type for operation in block.operations}


@pytest.mark.parametrize(("weights", "kind"), [
    ("int8", "constexpr_affine_dequantize"), ("palette6", "constexpr_lut_to_dense"),
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("turned", [True, False])
def test_small_weights_are_packed_and_proven(tmp_path, weights, kind, dtype, turned):
    path = uo.export(network(turned), tmp_path / "few.mlpackage", dtype, weights=weights)
    verdict = Verdict.from_json(path.with_name("few.mlpackage.verdict.json").read_text())
    *proof, cost = verdict.comparisons
    assert max(row.nmse for row in proof if "zeros" not in row.on) < (1e-10 if dtype == "float32" else 1e-5)
    assert 1e-6 < cost.nmse < 1e-2
    assert verdict.facts["weights"] == weights
    assert kind in kinds_of(path)
    assert model_of(path).specificationVersion == 7  # iOS 16


def test_packed_weights_are_as_coremltools_unpacks_them(tmp_path):
    """coremltools' own decompression of the written package is the oracle."""
    from coremltools.models import MLModel
    from coremltools.optimize.coreml import decompress_weights

    from underone.formats.coreml.vendor import quiet

    for weights in ("int8", "palette4"):
        path, back = tmp_path / f"{weights}.mlpackage", tmp_path / f"{weights}_back.mlpackage"
        uo.export(network(), path, weights=weights)
        with quiet():
            decompress_weights(MLModel(str(path), skip_model_load=True)).save(str(back))
        image = {"image": np.random.default_rng(1).integers(0, 256, (1, 3, 33, 33)).astype(np.float32)}
        got, want = (run_reference(read_foreign(p).graph(), image)["logits"] for p in (path, back))
        assert difference(got, want)[0] < 1e-10


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_activations_in_8_bits_keep_the_scales(tmp_path, dtype):
    path = uo.export(quantised(), tmp_path / "few.mlpackage", dtype)
    verdict = Verdict.from_json(path.with_name("few.mlpackage.verdict.json").read_text())
    assert verdict.subject == "few.mlpackage (int8)"
    assert {"quantize", "dequantize", "constexpr_affine_dequantize"} <= kinds_of(path)
    assert model_of(path).specificationVersion == 8  # iOS 17
    scales = {c.item() for n, c in read_foreign(path).graph().constants.items() if n.endswith("/scale") and c.size == 1}
    assert np.float32(6 / 255).astype(dtype) in np.array(list(scales), dtype)


def test_a_scale_of_other_channels_is_found(tmp_path, monkeypatch):
    right = whole.dequantize

    def wrong(c):
        scale = c.operands[1]
        turned = replace(c.model, values={**c.model.values, c.node.inputs[1]: scale[::-1].copy()})
        return right(replace(c, model=turned) if scale.size > 1 else c)

    from underone.formats.coreml import program

    monkeypatch.setattr(program, "_ALL", {**program._ALL, "DequantizeLinear": wrong})
    with pytest.raises(ParityFailed, match=r"few\.mlpackage was not written"):
        uo.export(network(), tmp_path / "few.mlpackage", weights="int8")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("weights", "target", "text"), [
    (None, "iOS14", r"unknown target 'iOS14'\. Did you mean 'iOS18'"),
    ("int8", "iOS15", r"target='iOS15': 'few' has weights in 8 bits or less, which iOS16 was the first to have"),
    ("palette4", "iOS18", r"target='iOS18': tables of weights are written as iOS 16 and 17 have them"),
])  # fmt: skip
def test_targets_that_do_not_fit_are_refused(tmp_path, weights, target, text):
    with pytest.raises((UnknownName, Unsupported), match=text):
        uo.export(network(), tmp_path / "few.mlpackage", weights=weights, target=target)
    assert not list(tmp_path.iterdir())


def test_activations_in_8_bits_need_their_target(tmp_path):
    with pytest.raises(Unsupported, match=r"'few' has activations in 8 bits, which iOS17 was the first to have"):
        uo.export(quantised(), tmp_path / "few.mlpackage", target="iOS16")


@pytest.mark.parametrize(("target", "version"), [(None, 6), ("iOS15", 6), ("iOS16", 7), ("iOS17", 8), ("iOS18", 9)])
def test_target_is_that_of_the_file(tmp_path, target, version):
    path = tmp_path / "few.mlpackage"
    write_package(network(), path, "float32", target=target)
    assert model_of(path).specificationVersion == version


def test_other_formats_have_no_targets(tmp_path):
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(Unsupported, match=r"target='iOS16': LiteRT has no targets; Core ML has"):
        uo.export(network(), tmp_path / "few.tflite", target="iOS16")


def test_scales_that_mil_does_not_have_are_refused(tmp_path):
    constants = {"scale": np.float32(0.1), "zero": np.int16(0)}
    nodes = (Node("QuantizeLinear", ("image", "scale", "zero"), ("whole",), {}, "whole"),
             Node("DequantizeLinear", ("whole", "scale", "zero"), ("result",), {}, "result"))  # fmt: skip
    values = tuple(Value(n, (1, 4)) for n in ("image", "result"))
    graph = Graph(nodes, values[:1], values[1:], {n: np.asarray(c) for n, c in constants.items()})
    with pytest.raises(Unsupported, match=r"node 'whole' \(QuantizeLinear\): a tensor of int16 cannot be written"):
        write_package(graph, tmp_path / "a.mlpackage", "float32")
    without = replace(graph, nodes=tuple(replace(n, inputs=n.inputs[:2]) for n in graph.nodes))
    with pytest.raises(Unsupported, match=r"one without a zero point, cannot be written for Core ML"):
        write_package(without, tmp_path / "a.mlpackage", "float32")
    weight = {**graph.constants, "few": np.ones((1, 4), np.uint8)}
    packed = Graph((replace(without.nodes[1], inputs=("few", "scale")),), values[:1], values[1:], weight)
    with pytest.raises(Unsupported, match=r"one without a zero point, cannot be written for Core ML"):
        write_package(packed, tmp_path / "a.mlpackage", "float32")


def test_what_falls_off_the_neural_engine_is_said(tmp_path):
    graph = network()
    dilated = replace(graph.nodes[2], attrs={"dilations": (2, 2)})
    taken = Node("Gather", ("logits", "chosen"), ("some",), {"axis": 1}, "some")
    nodes = (*graph.nodes[:2], dilated, *graph.nodes[3:], taken)
    constants = {**graph.constants, "chosen": np.arange(3)}
    found = off_the_neural_engine(replace(graph, nodes=nodes, constants=constants), "float32")
    assert [said.split(": ")[1] for said in found] == ["few", "c", "some"]
    assert all(said.endswith(")") for said in found)  # where it is from
    assert off_the_neural_engine(graph, "float16") == []
    (open_input,) = off_the_neural_engine(replace(graph, inputs=(Value("image", (1, 3, None, None)),)), "float16")
    assert "of a range of sizes" in open_input
    path = uo.export(graph, tmp_path / "few.mlpackage")
    verdict = json.loads(path.with_name("few.mlpackage.verdict.json").read_text())
    assert any(note.startswith("Neural Engine: few: computes in float32") for note in verdict["notes"])
    about = dict(model_of(path).description.metadata.userDefined)
    assert about["underone.neural_engine"] in verdict["notes"]


def test_heights_and_widths_that_are_open_are_a_range(tmp_path):
    graph = network()
    opened = replace(
        graph,
        inputs=(Value("image", (None, 3, None, None)),),
        spec=graph.spec.model_copy(
            update={"inputs": (graph.spec.input.model_copy(update={"shape": (None, 3, None, None)}),)}
        ),
    )
    path = uo.export(opened, tmp_path / "few.mlpackage")
    verdict = Verdict.from_json(path.with_name("few.mlpackage.verdict.json").read_text())
    assert "noise of another size, reference" in {row.on for row in verdict.comparisons}
    assert max(row.nmse for row in verdict.comparisons) < 1e-10
    image = model_of(path).description.input[0].type.imageType
    sizes = image.imageSizeRange
    assert (sizes.heightRange.lowerBound, sizes.widthRange.upperBound, image.height) == (32, 1024, 224)


def test_network_that_depends_on_its_size_is_not_written_for_a_range(tmp_path):
    """TensorFlow's padding is another one for another size."""
    same = replace(network().nodes[0], attrs={"strides": (2, 2), "auto_pad": "SAME_UPPER"})
    graph = network()
    image = graph.spec.input.model_copy(update={"shape": (None, 3, None, None)})
    opened = replace(
        graph,
        nodes=(same, *graph.nodes[1:]),
        inputs=(Value("image", (None, 3, None, None)),),
        spec=graph.spec.model_copy(update={"inputs": (image,)}),
    )
    with pytest.raises(ParityFailed, match=r"few\.mlpackage was not written: .*noise of another size"):
        uo.export(opened, tmp_path / "few.mlpackage")
    assert not list(tmp_path.iterdir())
