"""The doctor finds what was planted: a layer with channels far apart, a wide branch, a remedy that helps."""

from collections import Counter

import numpy as np
import pytest

from underone.errors import BadValue
from underone.graph import read_onnx
from underone.quantization import REMEDIES, Diagnosis, diagnose, diagnosis, open_network, quantize_opened, stages
from underone.quantization.branches import widest_branch
from underone.quantization.stages import USUAL_REMEDIES, Quantizer
from underone.spec import ModelSpec
from underone.weights import write_safetensors


@pytest.fixture(scope="module")
def found(make_network, folder):
    """Return what the doctor says of a network whose expanded channels lie far apart."""
    return diagnose(open_network(make_network(spread=8, clip=np.inf), folder))


def test_layer_with_channels_far_apart_is_named(found):
    apart = {layer.name: layer for layer in found.layers}
    assert max(found.layers, key=lambda x: x.inputs_apart).name == "depthwise"
    assert apart["depthwise"].inputs_apart > 5
    assert [layer.name for layer in found.layers] == ["stem", "expand", "depthwise", "project", "head"]


def test_errors_are_found_for_each_layer_and_add_up(found):
    assert all(0 < layer.alone < 0.1 for layer in found.layers)
    assert all(0 < layer.accumulated < 0.1 for layer in found.layers)


def test_gains_follow_the_remedies(found):
    assert [gain.remedies for gain in found.gains] == [REMEDIES[:i] for i in range(5)]
    assert found.gains[1].nmse < found.gains[0].nmse
    assert all(gain.same_top1 is not None for gain in found.gains)


def test_channels_are_even_after_equalisation(found):
    channels = next(c for c in found.channels if c.layer == "depthwise")
    found = [np.array(spread.channels) for spread in (channels.before, channels.after)]
    spread = [c.max() / c[c > 0].min() for c in found]
    assert spread[0] > 20
    assert spread[1] < 5  # no channel is enlarged more than 64 times


def test_histogram_is_of_what_the_layer_reads(found):
    before = next(c for c in found.channels if c.layer == "depthwise").before
    assert before.edges[0] == 0  # behind a Relu
    assert before.counts[0] == max(before.counts)
    assert sum(before.counts) > 24 * 1000
    assert before.range[0] == 0 < before.range[1] <= before.edges[1] * 1.001


def test_options_keep_the_worst_layers_and_are_written(make_network, folder, tmp_path):
    found = diagnose(open_network(make_network(spread=8, clip=np.inf), folder), (), files=tmp_path)
    worst = sorted(found.layers, key=lambda layer: -layer.alone)
    assert [option.kept for option in found.options] == [tuple(x.name for x in worst[:n]) for n in (0, 1, 3)]
    assert found.options[2].nmse < found.options[0].nmse
    for option in found.options:
        left = [node for node in read_onnx(option.file).nodes if node.name in option.kept]
        assert all(name.endswith((".weight", ".bias")) for node in left for name in node.inputs[1:])


def test_training_form_of_another_width_is_said(make_network, folder, tmp_path):
    arrays = {"stem.branches.0.conv.weight": np.ones((4, 3, 3, 3))}
    arrays |= {f"stem.branches.0.bn.{name}": np.ones(4) for name in ("weight", "running_var")}
    rows = np.ones((8, 27))
    with pytest.raises(
        BadValue, match=r"branches.0 of the training form has 4 channels, stem.conv of the network 8; th"
    ):
        widest_branch(arrays, "stem.conv", rows)


def test_nothing_is_found_twice_when_a_file_was_written_before(make_network, folder, tmp_path, monkeypatch):
    """One float answer for the doctor, one look at each form, one walk for each choice of remedies and layers."""
    counts = Counter()

    def counted(owner, name, key):
        found = getattr(owner, name)

        def count(*given):
            counts[key(*given)] += 1
            return found(*given)

        monkeypatch.setattr(owner, name, count)

    counted(diagnosis, "run_all", lambda graph, *_: "quantised" if is_quantised(graph) else "float")
    counted(stages, "observe", lambda *_: "look")
    counted(Quantizer, "_stage", lambda _, remedies, keep: (remedies, keep))
    quantizer = open_network(make_network(), folder)
    quantize_opened(quantizer, tmp_path / "net.onnx")
    found = diagnose(quantizer, USUAL_REMEDIES)
    assert (counts.pop("float"), counts.pop("look"), counts.pop("quantised")) == (1, 2, 6)
    kept = [(USUAL_REMEDIES, option.kept) for option in found.options]  # with 0, 1 and 3 layers in float32
    assert counts == dict.fromkeys([((), ()), (USUAL_REMEDIES[:1], ()), *kept], 1)


def is_quantised(graph):
    return any(node.op == "DequantizeLinear" for node in graph.nodes)


def test_diagnosis_survives_json(found):
    assert Diagnosis.model_validate_json(found.model_dump_json()) == found


def norm(scale, variance=1.0):
    return {"weight": np.array([1.0, scale]), "running_var": np.array([1.0, variance])}


def test_branch_that_widened_a_channel_is_named(make_network, folder, tmp_path):
    arrays = {"a.branches.0.conv.weight": np.ones((2, 1, 3, 3)), "a.scale.conv.weight": np.ones((2, 1, 1, 1))}
    for branch, numbers in (("branches.0.bn", norm(2)), ("scale.bn", norm(3, variance=0.01)), ("skip", norm(5))):
        arrays |= {f"a.{branch}.{name}": value for name, value in numbers.items()}
    rows = np.array([np.ones(9), np.full(9, 37.0)])
    assert widest_branch(arrays, "a.conv", rows) == "scale, channel 1: 30 of 37"
    assert widest_branch(arrays, "b.conv", rows) == ""
    file = write_safetensors(tmp_path / "trained.safetensors", arrays, ModelSpec())
    assert {x.widened_by for x in diagnose(open_network(make_network(), folder), (), trained=file).layers} == {""}
