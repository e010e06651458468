"""The protocol on real engines: outputs before the clock, turns, budgets, fresh processes, failures."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import underone as uo
from underone.bench import Contestant, compare_engines, example, interleave, measure
from underone.bench.protocol import check_outputs, round_sizes
from underone.compare import ROUNDING
from underone.errors import BadFile, BadValue, ParityFailed, UnknownName


def tiny_network(scale=1.0):
    """A 1x1 convolution, ReLU and mean over the picture, as ONNX bytes."""
    weight = np.random.default_rng(0).normal(size=(5, 3, 1, 1)).astype(np.float32) * np.float32(scale)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5, 1, 1])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


@pytest.fixture
def net():
    return uo.load(tiny_network(), "onnxruntime")


def test_measure_keeps_every_sample(net):
    told = []
    record = measure(net, runs=50, rounds=5, seconds=5, progress=lambda *news: told.append(news))
    assert len(record.samples_ms) == 50
    assert record.round_sizes == (10,) * 5
    assert record.protocol.name == "alone"
    assert record.protocol.input == "noise"
    assert record.outputs.passed
    assert record.cpu_share > 0
    assert told[-1][1:] == (50, 50)


def test_outputs_are_compared_before_anything_is_timed(net):
    wrong = uo.load(tiny_network(scale=1.01))
    told = []
    with pytest.raises(ParityFailed, match=r"bench FAILED: .* on onnxruntime"):
        interleave([net, net.clone()], reference=wrong, progress=lambda *news: told.append(news))
    assert not told


def amplifier():
    """A small difference of two large sums, as ONNX bytes: float32 keeps four of its digits."""
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.5, 1, size=(5, 64, 1, 1)).astype(np.float32)
    other = (weight * (1 + 1e-3 * rng.normal(size=weight.shape))).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "v"], ["a"]),
        helper.make_node("Conv", ["x", "w"], ["b"]),
        helper.make_node("Sub", ["a", "b"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "amplifier",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 64, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5, 32, 32])],
        [numpy_helper.from_array(weight, "v"), numpy_helper.from_array(other, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def noise_on(net, monkeypatch, error):
    """Let an engine stray from its answers by noise of so many times their RMS."""
    run, rng = net.run, np.random.default_rng(1)

    def stray(x):
        return {
            k: v + (error * np.square(v).mean() ** 0.5 * rng.normal(size=v.shape)).astype(v.dtype)
            for k, v in run(x).items()
        }

    monkeypatch.setattr(net, "run", stray)


def test_a_network_that_amplifies_is_judged_by_its_own_rounding(monkeypatch):
    net = uo.load(amplifier(), "onnxruntime")
    noise_on(net, monkeypatch, 1e-4)  # beyond the limit of 1e-9, of other networks
    what, inputs = example(net)
    verdict = check_outputs(net, inputs, what)
    assert verdict.passed
    (row,) = verdict.comparisons
    assert ROUNDING["float32"].nmse < row.nmse < row.limits.nmse < ROUNDING["float16"].nmse
    assert "it amplifies rounding, so the limits of 'y' there are nmse" in verdict.notes[0]


def test_a_network_that_does_not_amplify_keeps_the_usual_limits(net, monkeypatch):
    noise_on(net, monkeypatch, 1e-4)
    what, inputs = example(net)
    with pytest.raises(ParityFailed, match=r"limit 1e-09"):
        check_outputs(net, inputs, what)


@pytest.mark.parametrize("fault", [lambda y: y * np.float32(1.02), lambda y: y[:, [1, 0, 2, 3, 4]]])
def test_an_engine_with_a_fault_fails_on_a_network_that_amplifies_too(monkeypatch, fault):
    net = uo.load(amplifier(), "onnxruntime")
    what, inputs = example(net)
    run = net.run
    monkeypatch.setattr(net, "run", lambda x: {name: fault(y) for name, y in run(x).items()})
    with pytest.raises(ParityFailed, match=r"bench FAILED: .* on onnxruntime"):
        check_outputs(net, inputs, what)


def test_engines_take_turns(net, monkeypatch):
    calls = []
    nets = [net, uo.load(tiny_network(), "reference")]
    for name, one in zip("ab", nets, strict=True):
        monkeypatch.setattr(one, "run", lambda x, run=one.run, name=name: calls.append(name) or run(x))
    interleave(nets, runs=6, rounds=3, seconds=5, reference=uo.load(tiny_network()))
    assert "".join(calls[-12:]) == "aabbbbaaaabb"


@pytest.mark.parametrize(
    ("call_ms", "runs", "seconds", "rounds", "expected"),
    [
        (1, 10, 10, 4, (3, 3, 2, 2)),  # runs decide
        (1, 1000, 0.01, 5, (2, 2, 2, 2, 2)),  # seconds decide
        (1000, 1000, 1, 3, (1, 1, 1)),  # one a round at least
        (1, 1, 10, 10, (1,)),  # never more than `runs`
    ],
)
def test_calls_are_spread_over_rounds(call_ms, runs, seconds, rounds, expected):
    assert round_sizes(call_ms, runs, seconds, rounds) == expected


@pytest.mark.parametrize("wrong", [{"runs": 0}, {"seconds": 0}, {"rounds": -1}])
def test_number_that_is_not_positive_is_named(net, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(BadValue, match=f"{name}={value}; more than 0 is required"):
        measure(net, **wrong)


def test_measure_of_a_path_says_what_to_do():
    with pytest.raises(BadValue, match=r"measure takes an engine, not str; load the file first"):
        measure("net.onnx")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tiny.onnx"
    path.write_bytes(tiny_network())
    return str(path)


def test_fresh_processes_share_the_rounds(file):
    cases = [Contestant(path=file, backend=b) for b in ("onnxruntime", "reference", "onnxruntime")]
    records = compare_engines(cases, runs=25, rounds=5, processes=2, seconds=4)
    assert [r.engine for r in records] == ["onnxruntime", "reference", "onnxruntime"]
    for record in records:
        assert sum(record.round_sizes) == len(record.samples_ms) == 25
        assert len(record.round_sizes) == 5
        assert record.protocol.processes == 2
        assert record.protocol.name == "interleaved"


def test_engine_that_cannot_be_loaded_is_a_record_with_the_reason(file):
    cases = [
        Contestant(path=file, backend="onnxruntime", precision="bfloat16"),
        Contestant(path=file, backend="onnxruntime"),
    ]
    broken, good = compare_engines(cases, runs=5, rounds=2, processes=1, seconds=1)
    assert "calculates in float32, not in 'bfloat16'" in broken.error
    assert not broken.samples_ms
    assert len(good.samples_ms) == 5


def test_error_of_a_process_keeps_its_class_and_text(file, tmp_path):
    with pytest.raises(UnknownName, match=r"unknown backend .onnxruntim.\. Did you mean .onnxruntime.\?"):
        compare_engines([Contestant(path=file, backend="onnxruntim")], runs=5, rounds=2, processes=1)
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(BadFile, match="no ONNX file"):
        compare_engines([Contestant(path=str(tmp_path / "text.onnx"), backend="reference")], processes=1)


def test_process_that_dies_is_told(file, monkeypatch):
    monkeypatch.setattr("underone.bench.processes.sys.executable", "/bin/false")
    with pytest.raises(BadFile, match=r"the measuring process for .*tiny\.onnx died: exit code 1"):
        compare_engines([Contestant(path=file, backend="onnxruntime")], processes=1)


def test_written_model_is_valid():
    onnx.checker.check_model(onnx.load_from_string(tiny_network()))


def test_a_size_is_for_networks_that_take_any():
    def net(*shape):
        graph = helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        )
        return uo.load(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString(), "reference"
        )

    assert example(net("n", 3, "h", "w"), (96, 128))[1]["x"].shape == (1, 3, 96, 128)
    assert example(net("n", 3, 96, 128), (96, 128))[1]["x"].shape == (1, 3, 96, 128)
    with pytest.raises(BadValue, match=r"'x' has the shape \(1, 3, 64, 64\); size=\(96, 96\) was given; leave it out"):
        example(net(1, 3, 64, 64), (96, 96))
    with pytest.raises(BadValue, match=r"'x' has the shape \(1, None\); size=\(96, 96\) says nothing about it"):
        example(net(1, "n"), (96, 96))


def test_a_batch_is_fed_as_one_call_and_stands_in_the_record(file, tmp_path):
    (record,) = compare_engines(
        [Contestant(path=file, backend="onnxruntime")], runs=3, rounds=3, processes=1, seconds=1, batch=4
    )
    assert record.protocol.batch == 4
    assert example(uo.load(tiny_network()), batch=4)[1]["x"].shape == (4, 3, 32, 32)


def test_a_batch_is_for_networks_that_take_any_number():
    one = uo.load(tiny_network(), "onnxruntime")
    fixed = helper.make_model(
        helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"])],
            "one",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    with pytest.raises(BadValue, match="takes 1 pictures a call; batch=2 was given"):
        example(uo.load(fixed.SerializeToString()), batch=2)
    with pytest.raises(BadValue, match="batch=0; more than 0 is required"):
        interleave([one], batch=0)
