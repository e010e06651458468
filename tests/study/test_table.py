"""The literal tables: complete, of one spelling, and with an accuracy wherever one was published."""

import pytest

from underone.errors import UnknownName
from underone.study.accuracy import ASKED
from underone.study.cases import CONVERTED, METAL, SCALING, STUDIES, Case
from underone.study.published import ACTIVATIONS_MS, METAL_FPS, METAL_PRINTED
from underone.study.run import cases_of
from underone.study.table import BY_SOURCE, DEVIATIONS, NETWORKS, SCORES, score_of
from underone.weights import REAL_FILES


def test_the_paper_s_table_of_thirty_is_complete():
    paper = [n for n in NETWORKS if n.cpu_ms is not None]
    assert len(paper) == 30
    assert len(BY_SOURCE) == len({n.name for n in NETWORKS}) == len(NETWORKS) == 39
    assert sum(n.gpu_ms is None for n in paper) == 6  # what TensorRT could not take


def test_tables_speak_of_networks_that_are_measured():
    measured = {case.source for case in cases_of(["all"])}
    assert {*DEVIATIONS} <= {*BY_SOURCE} <= measured
    assert {*METAL_PRINTED} < {*METAL_FPS} == {case.source for case in METAL}
    assert {*ASKED} < {case.source for case in CONVERTED} < {f"converted:{name}" for name in REAL_FILES}
    assert {f"layers:{name}" for name in ACTIVATIONS_MS} <= {case.source for case in STUDIES["activations"]}
    assert {*STUDIES["scaling"]} == {case for cases in SCALING.values() for case in cases}


def test_each_case_is_measured_once_and_has_a_name_of_its_own():
    cases = cases_of(["all"])
    assert len(cases) == len({*cases}) == len({case.key for case in cases})
    assert len(cases_of(["correlation", "imagenet"])) == len(STUDIES["imagenet"])


def test_a_precision_holds_for_every_case_and_int8_has_files_of_its_own():
    assert {case.precision for case in cases_of(["blocks"], "bfloat16")} == {"bfloat16"}
    plain, quantised = Case(source="zoo:mobileone_s0"), Case(source="zoo:mobileone_s0", precision="int8")
    assert plain.file == "zoo-mobileone_s0-folded-224px"
    assert quantised.file == "zoo-mobileone_s0-folded-224px-int8"


def test_an_unknown_study_is_named():
    with pytest.raises(UnknownName, match=r"unknown study 'activation'\. Did you mean 'activations'"):
        cases_of(["activation"])


@pytest.mark.parametrize(
    ("source", "size", "score"),
    [
        ("zoo:mobileone_s0", 224, 71.4),
        ("zoo:mobileone_s0", 192, None),
        ("zoo:mobilenet_v2_100", 160, 68.8),
        ("zoo:mobilenet_v1_050", 224, 63.3),
        ("zoo:mobilenet_v1_100", 224, 70.9),  # MobileOne's paper prints 70.6, 72.0 and 74.7 for these three
        ("zoo:mobilenet_v2_100", 224, 71.8),
        ("zoo:mobilenet_v2_140", 224, 75.0),
        ("timm:mobilevit_s", 256, 78.4),
        ("layers:relu", 224, None),
        ("zoo:mobilenet_v2_035", 96, 45.5),
        ("zoo:mobilenet_v2_140", 192, None),
        ("zoo:ssd300_mobilenet_v1_100", 300, None),
    ],
)
def test_an_accuracy_belongs_to_a_size_of_picture(source, size, score):
    assert score_of(source, size) == score


@pytest.mark.parametrize(
    ("source", "size", "task", "score"),
    [
        ("zoo:ssdlite320_mobileone_s4", 320, "detect", 29.4),
        ("zoo:ssdlite320_mobileone_s4", 300, "detect", None),
        ("zoo:deeplabv3_mobileone_s0", 513, "segment", 73.7),
        ("zoo:mobileone_s0", 224, "segment", None),
        ("zoo:deeplabv3_mobileone_s0", 513, "classify", None),
    ],
)
def test_an_accuracy_belongs_to_a_task(source, size, task, score):
    assert score_of(source, size, task) == score


@pytest.mark.parametrize("task", SCORES)
def test_each_task_names_a_study_whose_networks_have_its_accuracy(task):
    _, study = SCORES[task]
    cases = [case for case in STUDIES[study] if case.form == "folded"]
    assert [case for case in cases if score_of(case.source, case.size, task) is None] == []


def test_a_flow_has_trials_of_its_own_and_shares_the_file():
    call, streamed = Case(source="zoo:mobileone_s0"), Case(source="zoo:mobileone_s0", flow="stream")
    assert call.key == "zoo-mobileone_s0-folded-224px-float32-b1-1t"
    assert (streamed.file, streamed.key) == (call.file, f"{call.key}-stream")
