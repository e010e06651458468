"""Suppression inside the file: the same objects as our own decoding finds, and what is refused."""

import copy
import importlib
import sys

import pytest
import torch
from onnx import helper
from torch import nn

from underone.boxes import iou
from underone.errors import BadFile, BadValue, MissingExtra, ParityFailed, Unsupported
from underone.fold import reparameterize
from underone.formats import export
from underone.graph.onnx_file import read_verdict
from underone.image import photograph
from underone.nn.statistics import randomize_statistics
from underone.runtime import load
from underone.zoo import create_model

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
OUTPUTS = ["boxes", "scores", "class_ids"]


def make(convention, **changes):
    torch.manual_seed(0)
    model = create_model("ssdlite320_mobilenet_v2_035", num_classes=3, size=96, detection=convention)
    randomize_statistics(model, torch.randn(2, 3, 96, 96))
    for head in model.class_heads:
        nn.init.normal_(head[-1].weight, std=0.3)
    how = model.spec.detection.model_copy(update=changes)
    model.spec = model.spec.model_copy(update={"detection": how})
    return reparameterize(model)


@pytest.mark.parametrize("convention", ["tensorflow", "torchvision"])
def test_file_finds_what_our_decoding_finds(convention, tmp_path):
    model = make(convention, score_threshold=0.6, max_detections=20, top_k=10_000)
    plain = load(export(model, tmp_path / "plain.onnx"))
    inside = load(export(model, tmp_path / "inside.onnx", nms=True))
    assert [output.name for output in inside.spec.outputs] == OUTPUTS
    want, got = plain.detect(photograph()), inside.detect(photograph())
    assert len(want) > 0
    assert got.scores == pytest.approx(want.scores, abs=1e-4)
    same = (iou(got.boxes, want.boxes) > 0.99) & (got.class_ids[:, None] == want.class_ids[None])
    assert same.any(1).mean() >= 0.9  # at nearly equal scores the order, and so what is kept, is rounding's
    verdict = read_verdict(tmp_path / "inside.onnx")
    assert verdict.facts["nms"] is True
    assert sum(row.on.startswith("made-up outputs") for row in verdict.comparisons) == 9
    assert [row.output for row in verdict.comparisons if row.on == "photo, whole file, onnxruntime"] == OUTPUTS


def test_loading_says_that_our_engine_leaves_it_to_another(tmp_path, caplog):
    pytest.importorskip("underone._native", reason="our own engine was not built")
    path = export(make("torchvision"), tmp_path / "inside.onnx", nms=True)
    with pytest.raises(Unsupported, match="NonMaxSuppression"):
        load(path, "native")
    with caplog.at_level("INFO", "underone"):
        assert load(path).backend == "onnxruntime"
    assert "inside.onnx runs on onnxruntime: " in caplog.text
    assert "NonMaxSuppression" in caplog.text


def test_a_wrongly_joined_file_is_found(tmp_path, monkeypatch):
    """The nodes alone are right; in the file they read another tensor of the same shape."""
    module = importlib.import_module("underone.formats.with_nms")
    right, files = module._followed, []

    def second_broken(model, nodes, constants):
        files.append(model)
        if len(files) == 2:
            codes = model.graph.output[0].name
            model.graph.node.append(helper.make_node("Neg", [codes], ["nms.other"]))
            nodes = [copy.deepcopy(node) for node in nodes]
            (reading,) = (node for node in nodes if codes in node.input)
            reading.input[:] = ["nms.other" if name == codes else name for name in reading.input]
        return right(model, nodes, constants)

    monkeypatch.setattr(module, "_followed", second_broken)
    with pytest.raises(ParityFailed, match="photo, whole file"):
        export(make("tensorflow", score_threshold=0.6), tmp_path / "a.onnx", nms=True)
    assert not list(tmp_path.iterdir())


def test_a_file_that_onnxruntime_cannot_run_is_not_written(tmp_path, monkeypatch):
    module = importlib.import_module("underone.formats.with_nms")
    right = module.compare_whole
    monkeypatch.setattr(module, "compare_whole", lambda whole, *others: right(whole[:-20], *others))
    with pytest.raises(BadFile, match="nms=True: onnxruntime cannot run the file: "):
        export(make("torchvision"), tmp_path / "a.onnx", nms=True)
    assert not list(tmp_path.iterdir())


def test_boxes_outside_the_picture_are_found_where_nodes_keep_them(tmp_path, monkeypatch):
    module = importlib.import_module("underone.formats.with_nms")
    right = module._seeing

    def all_seen():
        *others, last = right()
        return [*others, helper.make_node("Equal", ["nms.wide", "nms.wide"], list(last.output))]

    monkeypatch.setattr(module, "_seeing", all_seen)
    with pytest.raises(ParityFailed):
        export(make("torchvision"), tmp_path / "a.onnx", nms=True)
    assert not list(tmp_path.iterdir())


def test_a_network_that_finds_nothing_leaves_a_note(tmp_path):
    model = make("torchvision", score_threshold=0.9)
    for head in model.class_heads:
        nn.init.zeros_(head[-1].weight)
    export(model, tmp_path / "a.onnx", nms=True)
    note = "on no probe did the file with nms inside find an object: its nodes saw made-up outputs only"
    assert note in read_verdict(tmp_path / "a.onnx").notes


def test_refusals_come_before_the_network_is_judged(tmp_path, monkeypatch):
    module = importlib.import_module("underone.formats.write")
    monkeypatch.setattr(module, "judge_onnx", lambda *_: pytest.fail("the network was judged first"))
    with pytest.raises(Unsupported, match="has only 'hard'"):
        export(make("torchvision", nms="soft"), tmp_path / "a.onnx", nms=True)


def test_other_suppressions_and_networks_are_refused(tmp_path):
    with pytest.raises(Unsupported, match="the standard operator has only 'hard', class by class: export without nms"):
        export(make("torchvision", nms="soft"), tmp_path / "a.onnx", nms=True)
    torch.manual_seed(0)
    classifier = create_model("mobilenet_v1_025", num_classes=3)
    randomize_statistics(classifier, torch.randn(2, 3, 64, 64))
    with pytest.raises(BadValue, match="nms=True: 'mobilenet_v1_025' is no detector with box codes and logits"):
        export(reparameterize(classifier), tmp_path / "b.onnx", nms=True)
    assert not list(tmp_path.iterdir())


def test_a_wrong_node_is_found(tmp_path, monkeypatch):
    module = importlib.import_module("underone.formats.with_nms")
    right = module._decoding
    monkeypatch.setattr(module, "_decoding", lambda spec, how: right(spec, how.model_copy(update={"code": "xywh"})))
    with pytest.raises(ParityFailed):
        export(make("tensorflow"), tmp_path / "a.onnx", nms=True)
    assert not list(tmp_path.iterdir())


def test_without_onnxruntime_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    said = r"export\(nms=True\) needs the package onnxruntime; install it with: pip install 'underone\[onnxruntime\]'"
    with pytest.raises(MissingExtra, match=said):
        export(make("torchvision"), tmp_path / "a.onnx", nms=True)
    assert not list(tmp_path.iterdir())


def test_outputs_without_an_object_prove_nothing(tmp_path):
    with pytest.raises(ParityFailed, match="the made-up outputs hold no object, so that nothing could be compared"):
        export(make("torchvision", score_threshold=1.0), tmp_path / "a.onnx", nms=True)
    assert not list(tmp_path.iterdir())


def test_another_number_of_boxes_is_found(tmp_path, monkeypatch):
    module = importlib.import_module("underone.formats.with_nms")
    right = module._constants
    fewer = {"max_detections": 3, "max_per_class": 3}
    monkeypatch.setattr(module, "_constants", lambda how: right(how.model_copy(update=fewer)))
    with pytest.raises(ParityFailed, match=r"nms inside finds 3 boxes, our own \d+, on made-up outputs 0"):
        export(make("torchvision"), tmp_path / "a.onnx", nms=True)
