"""OpenVINO IR: written from a Graph, run by OpenVINO from the two files."""

from dataclasses import replace

import pytest

pytest.importorskip("openvino")

import openvino

import underone as uo
from underone.compare import Verdict
from underone.errors import BadFile, ParityFailed, Unsupported
from underone.formats import openvino_ir, read_back
from underone.spec import ModelSpec


def verdict_of(path):
    return Verdict.from_json(path.with_name(path.name + ".verdict.json").read_text())


@pytest.mark.parametrize("size", [224, 257, 300, 513])
@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-10), ("float16", 1e-5)])
def test_network_is_proven_by_openvino(tmp_path, two_heads, size, dtype, limit):
    graph = two_heads(size)
    verdict = verdict_of(uo.export(graph, tmp_path / "both.xml", dtype))
    assert {row.on.split(", ")[1] for row in verdict.comparisons} == {"openvino"}
    assert {row.output for row in verdict.comparisons} == {"codes_out", "logits"}
    assert max(row.nmse for row in verdict.comparisons) < limit
    assert sorted(verdict.facts["sha256"]) == ["both.bin", "both.xml"]
    assert verdict.facts["params"] == graph.params
    weights = (tmp_path / "both.bin").stat().st_size
    assert weights < (4.4 if dtype == "float32" else 2.2) * graph.params


def test_spec_travels_in_the_runtime_information(tmp_path, two_heads):
    path = uo.export(two_heads(33), tmp_path / "both.xml")
    found = openvino.Core().read_model(path).get_rt_info(["underone.spec"]).astype(str)
    assert ModelSpec.from_json(found, "rt_info").labels == ("a", "b", "c", "d", "e")


def test_fault_is_found_and_nothing_is_kept(tmp_path, two_heads, monkeypatch):
    def wrong(graph, path, dtype):
        openvino_ir.write_ir(two_heads(64, padding="SAME_LOWER"), path, dtype)

    monkeypatch.setattr(read_back, "FORMATS", {".xml": replace(read_back.FORMATS[".xml"], write=wrong)})
    with pytest.raises(ParityFailed, match=r"both\.xml was not written: export FAILED"):
        uo.export(two_heads(64), tmp_path / "both.xml")
    assert not list(tmp_path.iterdir())


def test_what_openvino_refuses_is_one_line(tmp_path, two_heads, monkeypatch):
    monkeypatch.setattr(openvino_ir, "to_onnx", lambda graph: b"\x08\x08:\x03\n\x01\x00")
    with pytest.raises(Unsupported, match=r"^both cannot be written for OpenVINO: .+$"):
        uo.export(two_heads(33), tmp_path / "a.xml")
    with pytest.raises(Unsupported, match=r"nms=True: a \.xml is written without suppression; \.onnx, \.mlpackage"):
        uo.export(two_heads(33), tmp_path / "a.xml", nms=True)
    assert not list(tmp_path.iterdir())


def test_damaged_file_is_one_line(tmp_path, two_heads):
    path = tmp_path / "a.xml"
    path.write_text("<net")
    with pytest.raises(BadFile, match=r"^.*a\.xml cannot be read by OpenVINO: .+$"):
        openvino_ir.of_ir(path, two_heads(33).spec)
