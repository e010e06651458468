"""Choosing: the front, the budget, the second measurement that decides."""

import pytest

from underone.errors import BadValue, UnknownName
from underone.study import candidates, choose
from underone.study import choice as module


@pytest.fixture
def trials(trial, machine, monkeypatch):
    monkeypatch.setattr(module, "describe", lambda: machine)
    elsewhere = machine.model_copy(update={"cpu": "Model B"})
    return [
        trial("zoo:mobileone_s0", {"native": 2.0, "openvino": 3.0}),  # 71.4
        trial("zoo:mobileone_s1", {"native": 4.0, "openvino": 3.5}),  # 75.9
        trial("zoo:mobileone_s4", {"native": 9.0}),  # 79.4
        trial("timm:mobilevit_xxs", {"native": 5.0}, size=256),  # 69.0: beaten
        trial("zoo:mobilenet_v2_100", {"native": 1.0}, size=128),  # 65.3
        trial("zoo:mobileone_s2", {"native": 0.1}, machine=elsewhere),
        trial("zoo:mobileone_s2", {"native": 0.1}, batch=8),
        trial("zoo:mobileone_s2", {"native": 0.1}, form="training"),
        trial("layers:relu", {"native": 0.1}),
        trial("zoo:mobileone_s3", {"native": "refused"}),
        trial("timm:convit_tiny", {}, error="no file"),
        trial("zoo:mobileone_s2", {"native": 0.1}, flow="stream"),
        trial("zoo:ssdlite320_mobileone_s1", {"native": 6.0}, size=320),  # 25.7
        trial("zoo:ssdlite320_mobileone_s2", {"native": 5.0}, size=320),  # 26.6
        trial("zoo:deeplabv3_mobileone_s0", {"native": 40.0}, size=513),
    ]


@pytest.fixture
def again(monkeypatch, tmp_path, record, trial):
    """Lets the second measurement find the given times."""

    def find(**times):
        def measured(case, path, sentinel, engines, effort):
            return record("sentinel", "native", 1.0), record(case.source, engines[0], times[case.source[4:]])

        monkeypatch.setattr(module, "measured", measured)
        monkeypatch.setattr(module, "begun", lambda case, *_: trial(case.source, {}))
        return {"models": tmp_path, "build": lambda case, folder: folder}

    return find


def test_the_front_is_what_this_machine_runs_and_nobody_beats(trials):
    front = candidates(trials, "float32")
    assert [(c.trial.name, c.engine, c.score) for c in front] == [
        ("MobileNetV2-x1.0", "native", 65.3),
        ("MobileOne-S0", "native", 71.4),
        ("MobileOne-S1", "openvino", 75.9),
        ("MobileOne-S4", "native", 79.4),
    ]
    assert all(c.time.low <= c.time.value <= c.time.high for c in front)
    assert [c.trial.name for c in candidates(trials, "float32", "openvino")] == ["MobileOne-S0", "MobileOne-S1"]


def test_each_task_has_a_front_of_its_own(trials):
    detectors = [(c.trial.name, c.score) for c in candidates(trials, "float32", task="detect")]
    assert detectors == [("ssdlite320_mobileone_s2", 26.6)]  # faster and better than S1's
    assert [c.score for c in candidates(trials, "float32", task="segment")] == [73.7]


def test_the_best_within_the_budget_is_measured_again(trials, again):
    best = choose(candidates(trials, "float32"), 4.5, **again(mobileone_s1=3.6))
    assert best.trial.name == "MobileOne-S1"
    assert best.checked.value == pytest.approx(3.6)


def test_one_that_does_not_hold_the_budget_gives_way_to_the_next(trials, again):
    best = choose(candidates(trials, "float32"), 4.5, **again(mobileone_s1=4.6, mobileone_s0=2.1))
    assert best.trial.name == "MobileOne-S0"


def test_nothing_within_the_budget_is_none(trials, again):
    assert choose(candidates(trials, "float32"), 0.5, **again()) is None


def test_questions_without_an_answer_are_refused(trials, again):
    with pytest.raises(BadValue, match=r"no trial of this machine \(.*\) to classify in int8; measure some first"):
        candidates(trials, "int8")
    with pytest.raises(BadValue, match=r"to segment in int8; .* underone study segmentation --precision int8$"):
        candidates(trials, "int8", task="segment")
    with pytest.raises(BadValue, match=r"in float32 on torch; .* --precision float32 --engines torch$"):
        candidates(trials, "float32", "torch")
    with pytest.raises(UnknownName, match="unknown backend 'openvin'"):
        candidates(trials, "float32", "openvin")
    with pytest.raises(BadValue, match=r"a budget of 0 ms; more than 0"):
        choose(candidates(trials, "float32"), 0, **again())
