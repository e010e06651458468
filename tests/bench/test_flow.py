"""Pictures through a stream: how many, through what, and who is refused."""

import time
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import underone as uo
from underone.bench import Contestant, compare_engines, example, figure, interleave
from underone.bench import flow as flow_module
from underone.bench.flow import feed_of
from underone.errors import BadValue
from underone.graph import read_onnx, to_onnx
from underone.image import photograph
from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec


def network(**changes):
    """A 1x1 convolution and a mean that calls itself a classifier, as ONNX bytes."""
    weight = np.random.default_rng(0).normal(size=(5, 3, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    image = InputSpec(name="x", shape=(None, 3, 32, 32), preparation=IMAGENET_PREPARATION)
    said = {
        "task": "classify",
        "inputs": (image,),
        "outputs": (OutputSpec(name="y", shape=(None, 5), meaning="logits"),),
    }
    spec = ModelSpec(name="tiny", **(said | changes))
    return to_onnx(replace(read_onnx(model.SerializeToString()), spec=spec))


@pytest.fixture
def net():
    return uo.load(network(), "onnxruntime")


@pytest.mark.parametrize(("flow", "asked"), [("calls", "run"), ("stream", "run"), ("answers", "answer")])
def test_each_sample_is_a_call_or_a_whole_photograph(net, monkeypatch, flow, asked):
    given, real = [], getattr(net, asked)
    monkeypatch.setattr(net, asked, lambda thing: given.append(thing) or real(thing))
    samples = list(feed_of(net, example(net)[1], flow)(7))
    assert len(samples) == 7
    assert len(given) == (7 if flow == "calls" else 8)  # the first one, before which threads begin, is not timed
    assert min(samples) > 0
    if flow == "answers":
        assert given[0].shape == photograph().shape


def test_nothing_but_answers_is_timed(net, monkeypatch):
    """Decoding takes 0.3 s here, and so does the first answer."""
    decoded, answered = [], []

    def slow(seen):
        seen.append(1) or len(seen) > 1 or time.sleep(0.3)

    monkeypatch.setattr(flow_module, "photograph", lambda: slow(decoded) or photograph())
    monkeypatch.setattr(net, "answer", lambda picture: slow(answered))
    feed = feed_of(net, example(net)[1], "answers")
    assert max([*feed(3), *feed(2)]) < 100
    assert len(decoded) == 1


def test_a_stream_is_warm_by_one_stream(net, monkeypatch):
    begun, real = [], flow_module.stream
    monkeypatch.setattr(flow_module, "stream", lambda *given: begun.append(1) or real(*given))
    record = interleave([net], runs=6, rounds=3, seconds=9, flow="stream")[0]
    assert len(begun) == 1 + 3  # the warm-up, and each round
    assert record.protocol.warmup >= 8
    assert record.cpu_share is None  # of three threads it means nothing


def test_a_stream_s_record_says_so_and_its_throughput_is_the_time_of_a_picture(net):
    record, other = interleave([net, net.clone()], runs=12, rounds=3, seconds=9, flow="stream")
    assert (record.protocol.flow, other.protocol.flow) == ("stream", "stream")
    assert record.round_sizes == (4, 4, 4)
    assert figure(record, "throughput").value == pytest.approx(np.mean(record.samples_ms))


def test_a_stream_takes_turns_in_fresh_processes_too(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(network())
    whom = [Contestant(path=str(path), backend=name) for name in ("onnxruntime", "reference")]
    records = compare_engines(whom, runs=4, rounds=2, seconds=1, processes=1, flow="answers")
    assert [(r.engine, r.protocol.flow, len(r.samples_ms)) for r in records] == [
        ("onnxruntime", "answers", 4),
        ("reference", "answers", 4),
    ]


def test_a_stream_of_what_takes_no_pictures_is_refused(net):
    mute = uo.load(network(task=None), "onnxruntime")
    with pytest.raises(BadValue, match="'tiny' does not say how a picture becomes its input, or its task; use flow="):
        interleave([mute], flow="stream")
    with pytest.raises(BadValue, match="flow='answers' gives single pictures of the network's own size; leave batch"):
        interleave([net], batch=2, flow="answers")
    with pytest.raises(BadValue, match="leave batch and size out"):
        interleave([net], size=(32, 32), flow="stream")
