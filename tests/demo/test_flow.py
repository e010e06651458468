"""The demo: everything it promises is in its folder, and the page stands alone."""

import re

import pytest

import underone as uo
from underone.bench import Record
from underone.compare import Verdict
from underone.demo import clothing, run_demo
from underone.errors import BadFile
from underone.image import photographs
from underone.runtime import installed_backends


@pytest.mark.slow
def test_demo_writes_report_files_verdicts_and_records(tmp_path, fetched):
    told = []
    report = fetched("what it needs", lambda: run_demo(tmp_path / "demo", seconds=0.5, progress=told.append))
    page = report.read_text("utf-8")
    assert "6 of 6" in page
    assert "random" in page
    assert "not phone times" in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)  # nothing from outside
    assert len(told) >= 9
    assert "of 372 test pictures are right" in page if clothing.test_folder() else "are not packaged" in page
    records = [Record.from_json(p.read_text()) for p in (report.parent / "records").glob("*.json")]
    engines = [name for name in installed_backends() if name not in ("reference", "torch")]
    assert len(records) == 2 + 2 * len(engines)
    assert all(r.outputs.passed and r.samples_ms for r in records)
    for name in ("mobilenet_v2_100", "mobilenet_v2_100.clothing10", "mobileone_s0", "mobileone_s0_training"):
        assert Verdict.from_json((report.parent / f"{name}.onnx.verdict.json").read_text()).passed


def test_clothing_without_its_pictures_is_exported_and_said(tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERONE_ASSETS", str(tmp_path))
    told = []
    for net in clothing.clothing_networks(tmp_path, told.append):
        assert net.score is None
        assert net.form.export.passed
        assert net.form.spec.labels == uo.load(net.form.path).spec.labels
    assert "mobilenet_v2_100.clothing10.onnx exported and verified; its test pictures are not on this machine" in told


def test_clothing_with_pictures_is_scored_on_them(tmp_path, monkeypatch):
    """The photograph of a fish stands for a dress and for a hat: one answer is right at most."""
    monkeypatch.setenv("UNDERONE_ASSETS", str(tmp_path))
    for name in ("dress", "hat"):
        folder = tmp_path / "clothing" / "test" / name
        folder.mkdir(parents=True)
        (folder / "1.jpg").write_bytes(photographs()[0].content)
    net = clothing.clothing_networks(tmp_path, lambda _: None)[0]
    assert (net.score.pictures, len(net.shown)) == (2, 2)
    assert net.score.top1 <= 50
    assert (net.int8.pictures, net.int8.top1) == (2, net.score.top1)
    assert [one.target for one in net.shown] == ["dress", "hat"]
    assert net.shown[0].answer.top(1) == net.shown[1].answer.top(1)


def test_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadFile, match=r"the folder .* cannot be made"):
        run_demo(tmp_path / "file/demo")
