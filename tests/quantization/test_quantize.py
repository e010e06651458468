"""The whole way: a file is written, every engine runs it, and it answers as the float32 network does."""

import logging
import sys

import numpy as np
import onnx
import pytest

from underone.compare import difference
from underone.errors import BadFile, BadValue, ParityFailed, UnknownName, Unsupported
from underone.graph import read_onnx, read_verdict, run_reference, to_onnx
from underone.quantization import REMEDIES, quantize
from underone.runtime import load


@pytest.fixture(scope="module")
def written(make_network, folder, tmp_path_factory):
    """Return the float network and the file that was made of it with every remedy."""
    graph = make_network(spread=5)
    path = tmp_path_factory.mktemp("quantised") / "small.onnx"
    return graph, quantize(graph, folder, path, remedies=REMEDIES)


def prepared(graph, pictures):
    from underone.image import prepare

    return np.concatenate([prepare(p, graph.spec.input) for p in pictures])


def test_every_engine_gives_the_same_answers_from_the_file(written, pictures):
    graph, path = written
    images = prepared(graph, pictures)
    want = run_reference(graph, {"image": images})["logits"]
    answers = {}
    for backend in ("onnxruntime", "openvino", "native", "reference"):
        with load(path, backend=backend) as net:
            answers[backend] = net.run(images)["logits"]
            assert difference(answers[backend], want)[0] < 3e-3, backend
    for backend, got in answers.items():
        assert difference(got, answers["reference"])[0] < 1e-3, backend  # values on the edge between two steps


def test_file_keeps_spec_and_says_what_was_done(written):
    graph, path = written
    read = read_onnx(path)
    assert read.spec.labels == graph.spec.labels
    assert read.spec.input.preparation == graph.spec.input.preparation
    assert {v.dtype for v in (*read.inputs, *read.outputs)} == {"float32"}
    verdict = read_verdict(path)
    assert verdict.passed
    assert verdict.facts["remedies"] == list(REMEDIES)
    assert verdict.facts["quantized_layers"] == 5


def test_weights_are_int8_with_a_scale_for_each_output_and_biases_int32(written):
    _, path = written
    model = onnx.load(path)
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    assert {a.dtype.name for n, a in arrays.items() if n.endswith("/int8")} == {"int8"}
    assert arrays["depthwise.weight/scale"].shape == (24,)
    steps = arrays["expand/scale"] * arrays["depthwise.weight/scale"]
    np.testing.assert_allclose(arrays["depthwise.bias/scale"], steps, rtol=1e-6)
    assert not any(a.dtype == np.float32 and a.size > 24 for a in arrays.values())


def test_remedies_win_back_what_channels_far_apart_lose(make_network, folder, tmp_path, pictures):
    graph = make_network(spread=7, clip=np.inf)
    images = prepared(graph, pictures)
    want = run_reference(graph, {"image": images})["logits"]
    lost = {}
    for remedies in ((), ("equalization",)):
        path = quantize(graph, folder, tmp_path / "small.onnx", calibration="minmax", remedies=remedies)
        with load(path) as net:
            lost[remedies] = difference(net.run(images)["logits"], want)[0]
    assert lost[("equalization",)] < 0.9 * lost[()]


def test_kept_layers_stay_in_float32(make_network, folder, tmp_path):
    graph = make_network()
    path = quantize(graph, folder, tmp_path / "named.onnx", keep=["depthwise"])
    constants = read_onnx(path).constants
    assert constants["depthwise.weight"].dtype == np.float32
    assert read_verdict(path).facts["float_layers"] == ["depthwise"]
    path = quantize(graph, folder, tmp_path / "counted.onnx", keep=2)
    assert len(read_verdict(path).facts["float_layers"]) == 2


def test_quantised_network_is_refused(written, folder, tmp_path):
    with pytest.raises(BadValue, match=r"quantised already: it has .* nodes such as QuantizeLinear; give the float32"):
        quantize(written[1], folder, tmp_path / "twice.onnx")


def test_float16_is_refused(make_network, folder, tmp_path):
    from underone.graph import to_float16

    with pytest.raises(BadValue, match=r"has weights of float16, such as .*; give the float32 network"):
        quantize(to_float16(make_network()), folder, tmp_path / "half.onnx")


def test_wrong_arguments_are_named(make_network, folder, tmp_path):
    graph, path = make_network(), tmp_path / "small.onnx"
    with pytest.raises(UnknownName, match=r"unknown calibration 'minmx'. Did you mean 'minmax'"):
        quantize(graph, folder, path, calibration="minmx")
    with pytest.raises(UnknownName, match=r"unknown remedy 'bais'. Did you mean 'bias'"):
        quantize(graph, folder, path, remedies=["bais"])
    with pytest.raises(UnknownName, match=r"unknown layer 'hed'. Did you mean 'head'"):
        quantize(graph, folder, path, keep=["hed"])
    with pytest.raises(UnknownName, match=r"written as ONNX"):
        quantize(graph, folder, tmp_path / "small.tflite")
    with pytest.raises(BadValue, match=r"keep=-1; the number of layers"):
        quantize(graph, folder, path, keep=-1)
    assert not path.exists()


def test_network_that_answers_something_else_is_not_written(make_network, folder, tmp_path, monkeypatch):
    from underone.quantization import stages

    monkeypatch.setitem(stages.METHODS, "mean", lambda seen: stages.METHODS["minmax"](seen).__class__(0.0, 0.01))
    with pytest.raises(ParityFailed, match=r"was not written: .*try all of remedies"):
        quantize(make_network(), folder, tmp_path / "bad.onnx")
    assert not (tmp_path / "bad.onnx").exists()


def test_file_that_no_engine_runs_is_not_written(make_network, folder, tmp_path, monkeypatch):
    from underone.quantization import quantize as module

    monkeypatch.setattr(sys.modules[module.__module__], "judges", lambda content: iter(()))
    with pytest.raises(Unsupported, match=r"no engine that is installed runs the quantised file; install onnxruntime"):
        quantize(make_network(), folder, tmp_path / "unjudged.onnx")


def test_values_beyond_the_ranges_are_told(make_network, folder, tmp_path, monkeypatch, caplog):
    from underone.quantization import stages
    from underone.quantization.scheme import Range

    def narrow(seen):
        whole = stages.METHODS["minmax"](seen)
        return Range(0.6 * whole.low, 0.6 * whole.high)

    monkeypatch.setitem(stages.METHODS, "mean", narrow)
    with caplog.at_level(logging.WARNING, "underone"):
        quantize(make_network(), folder, tmp_path / "narrow.onnx")
    assert "lose more than 1 % of their values to their range" in caplog.text


def test_activations_that_are_not_finite_are_refused(make_network, folder, tmp_path):
    graph = make_network(clip=np.inf)
    graph.constants["expand.weight"][0] = 3e38
    with pytest.raises(BadValue, match=r"holds NaN or infinity on a calibration picture"):
        quantize(graph, folder, tmp_path / "infinite.onnx")


def test_a_row_of_zeros_has_a_scale(make_network, folder, tmp_path):
    graph = make_network()
    for name in ("project.weight", "depthwise.weight"):
        graph.constants[name][0] = 0
    path = quantize(graph, folder, tmp_path / "zeros.onnx")
    scales = [a for n, a in read_onnx(path).constants.items() if n.endswith("/scale")]
    assert all((s > 0).all() and np.isfinite(s).all() for s in scales)


def test_two_inputs_are_refused(make_network, folder, tmp_path):
    from dataclasses import replace

    from underone.graph import Value

    graph = make_network()
    two = replace(graph, inputs=(*graph.inputs, Value("other", (1, 3))))
    with pytest.raises(BadValue, match=r"has 2 inputs; a network with one picture is quantised"):
        quantize(two, folder, tmp_path / "two.onnx")


def test_network_of_one_picture_is_opened(make_network, folder, tmp_path):
    from dataclasses import replace

    from underone.graph import Node, Value

    graph = make_network()
    fixed = replace(graph, inputs=(Value("image", (1, 3, 32, 32)),), outputs=(Value("logits", (1, 5)),))
    path = quantize(fixed, folder, tmp_path / "one.onnx")
    assert read_onnx(path).inputs[0].shape == (None, 3, 32, 32)
    nodes = (*graph.nodes[:-1], Node("ReduceMean", ("flat",), ("logits",), {"axes": (0,), "keepdims": 1}))
    mixing = replace(fixed, nodes=nodes, outputs=(Value("logits", (1, 8)),))
    with pytest.raises(BadValue, match=r"takes \[\(1, 3, 32, 32\)\]: a fixed number of pictures, .*any number"):
        quantize(mixing, folder, tmp_path / "mixing.onnx")


def test_network_of_any_size_is_quantised(make_network, folder, tmp_path):
    from dataclasses import replace

    from underone.graph import Value

    graph = make_network()
    image = graph.spec.input.model_copy(update={"shape": (None, 3, None, None)})
    prepared_at = image.model_copy(update={"preparation": image.preparation.model_copy(update={"size": (40, 48)})})
    spec = graph.spec.model_copy(update={"inputs": (prepared_at,)})
    free = replace(graph, inputs=(Value("image", (None, 3, None, None)),), spec=spec)
    assert read_verdict(quantize(free, folder, tmp_path / "any.onnx", remedies=REMEDIES, keep=1)).passed


def test_missing_file_is_refused(folder, tmp_path):
    with pytest.raises(BadFile):
        quantize(tmp_path / "none.onnx", folder, tmp_path / "out.onnx")


def test_the_same_network_gives_the_same_bytes(make_network, folder, tmp_path):
    first, second = (quantize(make_network(), folder, tmp_path / f"{i}.onnx") for i in range(2))
    assert to_onnx(read_onnx(first)) == to_onnx(read_onnx(second))


def test_without_a_layer_that_is_left_there_is_nothing_to_quantise(make_network, folder, tmp_path):
    with pytest.raises(BadValue, match=r"none of \d+ layers is left to quantise; keep fewer in float32"):
        quantize(make_network(), folder, tmp_path / "none.onnx", keep=1000)
