"""Running studies on tiny networks: rows for what fails, going on where it was, the sentinel beside every case."""

import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from underone.errors import BadFile, BadValue, MissingExtra, ParityFailed, UnknownName, Unsupported
from underone.study import Case, read_trials, run_studies
from underone.study import run as module
from underone.study.accuracy import Score
from underone.study.run import Effort, built
from underone.study.trial import Trial

SHORT = Effort(runs=4, seconds=0.05, rounds=2, processes=1)
ENGINES = ("onnxruntime", "reference")


def tiny(channels):
    weight = np.random.default_rng(0).normal(size=(channels, 3, 1, 1)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["image", "w"], ["c"]), helper.make_node("GlobalAveragePool", ["c"], ["logits"])]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", channels, 1, 1])],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def build(case, folder):
    if case.source == "here:broken":
        raise Unsupported("no such layer")
    path = folder / f"{case.file}.onnx"
    if not path.exists():
        path.write_bytes(tiny(len(case.source)))
    return path


@dataclass
class Runner:
    """Runs studies in one folder and counts what was measured."""

    folder: object
    measured: list = field(default_factory=list)

    def __call__(self, *cases, **changes):
        arguments = {"engines": ENGINES, "effort": SHORT, "build": build} | changes
        return run_studies(cases, self.folder / "trials", self.folder / "models", **arguments)


@pytest.fixture
def run(tmp_path, monkeypatch):
    runner, real = Runner(tmp_path), module.compare_engines
    monkeypatch.setattr(module, "compare_engines", lambda *a, **k: runner.measured.append(a[0]) or real(*a, **k))
    return runner


def test_every_case_has_a_record_of_the_sentinel_and_of_each_engine(run):
    told = []
    case = Case(source="here:a", batch=2)
    (found,) = run(case, progress=lambda *news: told.append(news))
    assert [r.engine for r in found.records] == ["onnxruntime", *ENGINES]
    assert {r.protocol.batch for r in found.records} == {2}
    assert all(len(r.samples_ms) >= 2 for r in found.records)
    assert found.facts.macs == 2 * 16 * 16 * 3 * 6  # batch x pixels x inputs x outputs
    assert found.facts.params == 3 * 6
    assert told == [("here:a 224 px, 1 threads", 0, 1)]
    assert read_trials(run.folder / "trials") == [found]


def test_what_was_measured_is_kept_until_the_file_the_engines_or_the_wish_change(run):
    case = Case(source="here:a")
    (first,) = run(case)
    assert run(case) == [first]
    assert run(case, engines=ENGINES[:1]) == [first]
    assert len(run.measured) == 1
    (again,) = run(case, again=True)
    assert again != first
    run(case, engines=(*ENGINES, "openvino"))
    (run.folder / "models" / f"{case.file}.onnx").write_bytes(tiny(9))
    run(case)
    assert len(run.measured) == 4


def test_what_was_measured_quickly_is_measured_again_with_more_effort_and_not_the_other_way_round(run):
    case, more = Case(source="here:a"), Effort(runs=4, seconds=0.05, rounds=2, processes=2)
    (quick,) = run(case)
    (full,) = run(case, effort=more)
    assert full != quick
    assert run(case) == [full]


def test_another_engine_is_measured_together_with_those_that_stand_there(run):
    case = Case(source="here:a")
    run(case, engines=ENGINES[:1])
    (found,) = run(case, engines=ENGINES[1:])
    assert [r.engine for r in found.records] == ["reference", "reference", "onnxruntime"]
    assert found.against_best_peer() is None
    assert found.against_sentinel("onnxruntime").value > 0


def test_what_is_kept_is_not_counted_again(run, monkeypatch):
    first = run(Case(source="here:a"))
    monkeypatch.setattr(module, "read_onnx", None)
    assert run(Case(source="here:a")) == first


def test_a_score_that_failed_is_asked_again_and_nothing_is_measured_for_it(run, monkeypatch):
    asked, failed = [], Score(metric="top-1", original=80.0, error="no network")
    answers = iter([(failed,), (failed.model_copy(update={"value": 75.0, "error": None}),)])
    monkeypatch.setattr(module, "scores_of", lambda *case: asked.append(case) or next(answers))
    case = Case(source="here:a")
    (first,) = run(case)
    (again,) = run(case)
    assert (first.scores[0].error, again.scores[0].value, len(run.measured)) == ("no network", 75.0, 1)
    assert again.records == first.records
    assert run(case) == [again]
    (streamed,) = run(case.model_copy(update={"flow": "stream"}))
    assert (streamed.scores, len(asked)) == ((), 2)
    assert read_trials(run.folder / "trials") == [again, streamed]


def test_what_was_measured_stays_when_its_file_cannot_be_made_again(run):
    def refuse(case, folder):
        raise MissingExtra("networks", "torch", "train")

    (before,) = run(Case(source="here:a"))
    (found,) = run(
        Case(source="here:a"),
        build=lambda case, folder: build(case, folder) if case != before.case else refuse(case, folder),
    )
    assert "torch" in found.error
    assert read_trials(run.folder / "trials") == [before]


def test_files_that_are_there_are_measured_without_torch(run):
    (before,) = run(Case(source="here:a"))
    folders = [str(run.folder / name) for name in ("trials", "models")]
    code = f"""
import sys; sys.modules["torch"] = None
from pathlib import Path
from underone.study import Case, run_studies
from underone.study.run import Effort
(found,) = run_studies([Case(source="here:a")], *map(Path, {folders}), engines={ENGINES}, effort=Effort(4, 0.05, 2, 1),
                       again=True)
print(*found.engines)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == list(ENGINES), done.stderr
    (after,) = read_trials(run.folder / "trials")
    assert after.sha256 == before.sha256
    assert after.records[1].date >= before.records[1].date


def test_a_file_that_is_missing_needs_torch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "underone.study.networks.build", None)
    with pytest.raises(MissingExtra, match=r"making .*zoo-a-folded-224px\.onnx needs the package torch"):
        built(Case(source="zoo:a"), tmp_path)


def test_a_network_that_cannot_be_built_is_a_row_that_says_why(run):
    broken, good = run(Case(source="here:broken"), Case(source="here:a"))
    assert broken.error == "no such layer"
    assert not broken.records
    assert good.error is None
    assert len(read_trials(run.folder / "trials")) == 2


def test_an_int8_file_is_measured_and_its_float32_form_counted(run):
    case = Case(source="here:a", precision="int8")
    (found,) = run(case)
    assert found.facts.params == 3 * 6
    assert {path.stem for path in (run.folder / "models").iterdir()} >= {case.file, case.file.removesuffix("-int8")}
    assert all(r.samples_ms for r in found.engines.values())


def test_an_engine_that_cannot_is_a_record_that_says_so(run):
    (found,) = run(Case(source="here:a", precision="bfloat16"))
    assert "calculates in float32, not in 'bfloat16'" in found.engines["onnxruntime"].error


def test_an_engine_that_answers_wrongly_does_not_take_the_others_with_it(run, monkeypatch):
    def wrong(contestants, **options):
        if any(c.backend == "reference" and "here" in c.path for c in contestants):
            raise ParityFailed("its outputs differ")
        return real(contestants, **options)

    real = module.compare_engines
    monkeypatch.setattr(module, "compare_engines", wrong)
    (found,) = run(Case(source="here:a"), engines=("onnxruntime", "reference", "openvino"))
    assert found.engines["reference"].error == "its outputs differ"
    assert list(found.engines) == ["onnxruntime", "reference", "openvino"]
    last = [(c.backend, "here" in c.path) for c in run.measured[-1]]
    assert last == [("onnxruntime", False), ("onnxruntime", True), ("openvino", True)]  # in the same rounds
    assert {r.round_sizes for r in found.records if not r.error} == {(2, 2)}


def test_a_group_that_fails_again_is_told_and_nothing_is_lost(run, monkeypatch):
    def crowded(contestants, **options):
        if len(contestants) > 2:
            raise BadFile("the measuring process died")
        return real(contestants, **options)

    real = module.compare_engines
    monkeypatch.setattr(module, "compare_engines", crowded)
    (found,) = run(Case(source="here:a"))
    assert {r.error for r in found.records} == {"the measuring process died"}


def test_wrong_engines_are_refused_before_anything_is_built(run):
    with pytest.raises(BadValue, match="no engines; name one at the least"):
        run(Case(source="here:a"), engines=())
    with pytest.raises(UnknownName, match="unknown backend 'onnxruntim'"):
        run(Case(source="here:a"), engines=["onnxruntim"])


def test_a_folder_without_trials_or_with_a_damaged_one_is_told(tmp_path):
    with pytest.raises(BadFile, match="has no trials; measure some"):
        read_trials(tmp_path)
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(BadFile, match=r"x\.json: no valid Trial"):
        read_trials(tmp_path)


def test_a_trial_survives_its_file(trial):
    one = trial("zoo:mobileone_s1", {"native": 4.0, "openvino": "cannot"})
    assert Trial.from_json(one.model_dump_json()) == one
