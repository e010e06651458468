"""The commands `study`, `report` and `choose` on a study of three tiny networks; nothing is timed for its speed."""

import json
import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from underone.cli import main
from underone.cli import study as commands
from underone.study import Case, cases_of
from underone.study import run as module
from underone.study.run import Effort

CASES = [Case(source="zoo:mobileone_s0"), Case(source="zoo:mobileone_s1"), Case(source="timm:convit_tiny")]
OURS = ("--engines", "onnxruntime,reference")


def build(case, folder):
    """A convolution of 3 channels to 4 and a mean, whatever is asked for."""
    path = folder / f"{case.file}.onnx"
    nodes = [helper.make_node("Conv", ["image", "w"], ["c"]), helper.make_node("GlobalAveragePool", ["c"], ["logits"])]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 4, 1, 1])],
        [numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    path.write_bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
    return path


@pytest.fixture
def small(monkeypatch):
    short = Effort(runs=9, seconds=0.1, rounds=3, processes=1)
    monkeypatch.setattr(module, "built", build)
    monkeypatch.setattr("underone.study.choice.built", build)
    monkeypatch.setattr(commands, "cases_of", lambda names, precision: CASES)
    monkeypatch.setattr(commands, "QUICK", short)
    monkeypatch.setattr(commands, "FULL", short)


def run(capsys, *arguments, code=0):
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert end.value.code == code, err
    return " ".join(out.split()), err


@pytest.fixture
def studied(small, tmp_path, capsys):
    out, _ = run(capsys, "study", "imagenet", "--quick", "-o", tmp_path, "--models", tmp_path / "models", *OURS)
    return tmp_path, out


def test_a_study_prints_its_rows_and_writes_trials_and_a_page(studied):
    folder, out = studied
    assert "network onnxruntime reference best peer by ours MobileOne-S0, folded, 224 px 0.0" in out
    assert f"report: {folder / 'report.html'}" in out
    assert len(list((folder / "trials").glob("*.json"))) == 3
    assert "ConViT-tiny" in (folder / "report.html").read_text("utf-8")


def test_a_report_is_drawn_again_elsewhere_from_the_trials_alone(studied, capsys, tmp_path):
    folder, _ = studied
    page = (folder / "report.html").read_text("utf-8")
    run(capsys, "report", folder / "trials", "-o", tmp_path / "again")
    assert (tmp_path / "again" / "report.html").read_text("utf-8") == page


def test_a_report_of_records_needs_no_study(small, tmp_path, capsys):
    file = build(CASES[0], tmp_path)
    arguments = ("--backends", "onnxruntime,reference", "--seconds", "0.2", "--processes", "1")
    run(capsys, "bench", file, *arguments, "-o", tmp_path / "a" / "records")
    run(capsys, "report", tmp_path / "a", "-o", tmp_path / "page")
    page = (tmp_path / "page" / "report.html").read_text("utf-8")
    assert "calls, batch 1, own size" in page
    assert [page.count(f">{engine}</td>") for engine in ("onnxruntime", "reference")] == [1, 1]
    assert {path.suffix for path in (tmp_path / "page" / "plots").iterdir()} == {".png", ".svg"}


def test_trials_are_json_for_a_machine(studied, capsys):
    folder, _ = studied
    with pytest.raises(SystemExit):
        main(["study", "imagenet", "-o", str(folder), "--models", str(folder / "models"), *OURS, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [trial["case"]["source"] for trial in found] == [case.source for case in CASES]
    assert found[0]["records"][0]["median_ms"] > 0


def test_choose_names_the_best_that_holds_the_budget(studied, capsys):
    folder, _ = studied
    arguments = ("--study", folder, "--models", folder / "models")
    out, _ = run(capsys, "choose", "--budget", "10000ms", "--task", "classify", *arguments)
    assert "chosen: MobileOne-S1 (zoo:mobileone_s1) at 224 px" in out
    assert "top-1 75.9 % as published for float32" in out
    out, _ = run(capsys, "choose", "--budget", "0.0000001", *arguments, code=1)
    assert "nothing holds the budget" in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("report", "nowhere"), "nowhere: no such folder"),
        (("choose", "--budget", "2ms", "--study", "nowhere"), "nowhere/trials has no trials; measure some: underone"),
    ],
)
def test_what_is_not_there_is_told(arguments, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, err = run(capsys, *arguments, code=1)
    assert text in err


def test_a_budget_that_is_no_time_is_told(studied, capsys):
    _, err = run(capsys, "choose", "--budget", "fast", "--study", studied[0], code=1)
    assert "--budget fast; milliseconds or frames a second are required: 2ms, 30fps" in err


def test_a_budget_may_be_a_rate(studied, capsys):
    arguments = ("--study", studied[0], "--models", studied[0] / "models")
    out, _ = run(capsys, "choose", "--budget", "0.1fps", *arguments)  # a second each
    assert "chosen: MobileOne-S1" in out
    run(capsys, "choose", "--budget", "10000000fps", *arguments, code=1)


def test_no_trial_of_a_task_names_the_study_that_measures_some(studied, capsys):
    _, err = run(capsys, "choose", "--budget", "9ms", "--task", "detect", "--study", studied[0], code=1)
    assert "to detect in float32; measure some first: underone study detection --precision float32" in err


def test_reports_need_no_torch(studied):
    folder, _ = studied
    code = f"import sys; sys.modules['torch'] = None\nfrom underone.cli import main\nmain(['report', {str(folder)!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "report.html" in done.stdout, done.stderr


def test_all_is_every_study():
    assert {*cases_of(["all"])} >= {*cases_of(["imagenet"])} | {*cases_of(["metalnet"])}
