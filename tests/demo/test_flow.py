"""The demo: everything it promises is in its folder, and the page stands alone."""

import re

import pytest
import torch
from torch import nn

import underone as uo
from underone.bench import Record
from underone.compare import Verdict
from underone.demo import run_demo
from underone.demo.flow import settle_statistics
from underone.errors import BadFile
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
    assert len(told) >= 8
    records = [Record.from_json(p.read_text()) for p in (report.parent / "records").glob("*.json")]
    engines = [name for name in installed_backends() if name not in ("reference", "torch")]
    assert len(records) == 2 + 2 * len(engines)
    assert all(r.outputs.passed and r.samples_ms for r in records)
    for name in ("mobilenet_v2_100", "mobileone_s0", "mobileone_s0_training"):
        assert Verdict.from_json((report.parent / f"{name}.onnx.verdict.json").read_text()).passed


def test_settled_statistics_are_not_trivial():
    torch.manual_seed(0)
    model = uo.create_model("mobilenet_v2_035")
    settle_statistics(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean.abs().max() > 1e-4
            assert (module.running_var - 1).abs().max() > 1e-4
            assert (module.weight - 1).abs().max() > 0.05
            assert module.bias.abs().max() > 0.01


def test_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadFile, match=r"the folder .* cannot be made"):
        run_demo(tmp_path / "file/demo")
