"""The page of made-up trials: every study, what the paper says, refusals, machines apart, nothing from outside."""

import re

import pytest

from underone.study.accuracy import Score
from underone.study.cases import STUDIES
from underone.study.fronts import detection
from underone.study.metalnet import metalnet
from underone.study.page import write_page
from underone.study.sections import imagenet, scaling, steadiness
from underone.study.table import BY_SOURCE


@pytest.fixture(scope="module")
def trials(trial):
    """All studies: a network takes ours as long as it has MACs, and its parameters run the other way."""
    found = []
    for i, case in enumerate(dict.fromkeys(c for cases in STUDIES.values() for c in cases)):
        network = BY_SOURCE.get(case.source)
        macs = (network.macs if network else 100 + i) * 1e6 * case.batch
        ms = macs / 1e8 * (5 if case.form == "training" else 1)
        times = {"native": ms, "onnxruntime": 1.5 * ms, "openvino": 1.2 * ms}
        if case.source == "timm:convit_tiny":
            times["native"] = "operators that are not implemented: Odd x3"
        found.append(trial(macs=macs, params=1e15 / macs, ms=times, **case.model_dump()))
    return found


@pytest.fixture(scope="module")
def written(trials, tmp_path_factory):
    return write_page(trials, tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def page(written):
    return written.read_text("utf-8")


def cells(page, network):
    """The cells of the first row of a network."""
    row = re.search(rf"<tr><td[^>]*>{re.escape(network)}</td>.*?</tr>", page, re.DOTALL).group(0)
    return [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]


def test_every_study_has_its_section(page):
    titles = re.findall(r"</span>(.*?)</h2>", page)
    assert titles == [
        "What latency goes with", "Accuracy and latency", "Width and size of the picture", "What an activation costs",
        "What blocks cost", "How latency grows", "Detectors", "Segmenters", "Frames a second beside MetalNet",
        "How steady the machine was", "What was refused",
    ]  # fmt: skip


def test_nothing_is_fetched_from_outside(page):
    links = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(\w+:)?//", page)
    assert not links
    assert "<script src" not in page


def test_correlations_are_those_of_the_times_and_are_held_against_the_paper(page):
    assert "ρ = 1.00 on native" in page
    assert "ρ = -1.00 on native" in page
    assert "MACs: 1.00 on native disagrees with the paper&#39;s 0.47 (p 0.03) for its phone." in page


def test_a_row_has_what_was_published_beside_what_was_measured(page):
    row = cells(page, "MobileOne-S4")
    assert row[:4] == ["MobileOne-S4", "folded", "●", "79.4"]
    assert row[6].startswith("29.8 (")
    assert row[-4].startswith("1.20× (1.20-1.20) openvino")
    assert row[-3:] == ["1.86", "26.6", "0.95"]
    assert cells(page, "MobileNetV1")[3] == "70.6"  # of the paper, as the row's other figures


def test_where_the_paper_has_another_order_or_price_the_page_says_so(page):
    assert re.search(
        r"the order of times on native is the one that is printed: iPhone 12 \(paper\) ρ = 0\.\d\d \(", page
    )
    assert re.search(r"otherwise than on the paper&#39;s phone: .*dynamic_relu_a 1\.\d\d×, there 178\.75×", page)


def test_a_refusal_stands_in_its_row_and_says_why_below(page):
    assert cells(page, "ConViT-tiny")[6] == "refused"
    assert "ConViT-tiny, folded, 224 px on native: operators that are not implemented: Odd x3" in page


def test_training_forms_are_warned_of_with_their_price(page):
    assert "Rows in training form are not what ships." in page
    assert "MobileOne-S0 5.0×" in page


def test_what_was_published_of_the_folded_form_does_not_stand_beside_the_training_form(trials):
    rows = [row for row in imagenet(trials, lambda *_: None).tables[0].rows if row[0] == "MobileOne-S4"]
    assert [(row[1], row[-3:]) for row in rows] == [
        ("folded", ("1.86", "26.6", "0.95")),
        ("training", ("–", "–", "–")),
    ]


def test_an_engine_that_was_not_asked_did_not_refuse(trial):
    asked = trial("zoo:mobilenet_v1_100", {"native": 2.0, "openvino": 3.0})
    rows = metalnet([asked, trial("zoo:mobilenet_v2_100", {"native": "cannot"})], lambda *_: None).tables[0].rows
    assert [row[2:4] for row in rows] == [("500", "333"), ("refused", "–")]


def test_frames_a_second_stand_by_flow_beside_the_library_s(trial):
    calls = trial("zoo:mobilenet_v1_100", {"native": 2.0})
    streamed = trial("zoo:mobilenet_v1_100", {"native": 4.0}, flow="stream")
    frames, costs = metalnet([calls, streamed], lambda *_: None).tables
    assert frames.header[2:5] == ("native, calls", "native, three slots", "iPhone 7")
    assert list(frames.rows[0][2:]) == ["500", "250", "118 (45)", "162 (53)", "204 (110, 120)"]
    assert costs.rows == [("MobileNetV1", "3.00", "4.24", "300", "569", "6.00", "–", "70.9; 89.9")]


def test_a_converted_network_says_how_right_it_is_or_why_nobody_knows(trial):
    name = "converted:mobilenet_v1_frozen"
    answered = trial(name, {"native": 5.0}, flow="answers")
    scores = (Score(metric="top-1", value=75.0, original=80.0), Score(metric="top-5", original=100.0, error="no net"))
    scored = trial(name, {"native": 2.0}).model_copy(update={"scores": scores})
    unasked = trial("converted:pedestrian_ssdlite_frozen", {"native": 9.0}, size=300)
    found = metalnet([scored, answered, unasked], lambda *_: None)
    first, second = found.tables[0].rows
    assert first[2:] == ("500", "–", "200", "75.0; –", "80.0; 100", "top-1; top-5")
    assert second[-1] == "no labelled pictures of its objects"
    assert found.notes == ["mobilenet_v1_frozen, top-5: no net"]


def test_a_front_is_of_time_and_printed_accuracy(trial):
    rows = detection(
        [
            trial("zoo:ssdlite320_mobileone_s1", {"native": 6.0}, size=320),
            trial("zoo:ssdlite320_mobileone_s2", {"native": 5.0}, size=320),
            trial("zoo:ssdlite320_mobileone_s4", {"native": "cannot"}, size=320),
        ],
        lambda *_: None,
    ).tables[0].rows  # fmt: skip
    assert [row[2:4] for row in rows] == [("", "25.7"), ("●", "26.6"), ("", "29.4")]


def growth(trials, axis):
    [table] = [table for table in scaling(trials, lambda *_: None).tables if table.caption == axis]
    return [row[-1] for row in table.rows]


def test_growth_with_size_is_set_against_the_plain_case_and_leaves_drift_alone(trial):
    plain = trial("zoo:mobileone_s0", {"native": 2.0}, macs=300e6, sentinel=2.0)
    drifted = trial("zoo:mobileone_s0", {"native": 9.0}, macs=600e6, sentinel=4.0, size=320)
    assert growth([plain, drifted], "resolution") == ["–", "1.12"]  # 4.5 times the work's 2, half of it drift


def test_growth_with_the_batch_is_that_of_the_times_because_the_sentinel_grows_too(trial):
    one = trial("zoo:mobilenet_v2_100", {"native": 4.157}, macs=300774272, sentinel=3.32)  # as measured
    eight = trial("zoo:mobilenet_v2_100", {"native": 32.35}, macs=8 * 300774272, sentinel=25.8, batch=8)
    assert growth([one, eight], "batch") == ["–", "0.97"]


def test_only_sentinels_that_were_fed_alike_are_one_series(trial):
    names = [{}, {"batch": 8}, {"threads": 2}, {"flow": "stream"}]
    found = [
        trial("zoo:mobilenet_v2_100", {"native": 4.0}, sentinel=2.0 + i, **case) for i, case in enumerate(names)
    ]  # fmt: skip
    [text] = steadiness(found, lambda *_: None).text
    assert "1 times with calls of one picture on one thread: 2.00 ms first, 2.00 last, 2.00 to 2.00 in between" in text


def test_points_say_their_names(page):
    assert re.search(r'<g class="point"><title>MobileOne-S0: 275, 2.75</title>', page)


def test_plots_stand_alone_as_pictures(trials, written):
    names = {path.name for path in (written.parent / "plots").iterdir()}
    assert {f"{trials[0].machine.fingerprint}" in name for name in names} == {True}
    assert len({n for n in names if n.endswith(".png")}) == len({n for n in names if n.endswith(".svg")}) == 8


def test_the_same_trials_give_the_same_page(trials, written, tmp_path):
    assert write_page(trials, tmp_path).read_bytes() == written.read_bytes()


def test_machines_do_not_share_a_table(trials, trial, machine, tmp_path):
    other = machine.model_copy(update={"cpu": "Model B"})
    more = trial("zoo:mobileone_s0", {"native": 9.0, "onnxruntime": 9.0}, machine=other)
    page = write_page([*trials[:40], more], tmp_path).read_text("utf-8")
    assert "Trials of 2 machines: figures of different machines are in different tables." in page
    assert page.count("Accuracy and latency") == 2
    assert f"Accuracy and latency ({other.fingerprint}, float32)" in page


def test_a_network_without_a_file_is_a_row(trial, tmp_path):
    rows = [trial("timm:convit_tiny", {}, error="timm is missing"), trial("zoo:mobileone_s0", {"native": 2.0})]
    page = write_page(rows, tmp_path).read_text("utf-8")
    assert cells(page, "ConViT-tiny")[6] == "–"
    assert "ConViT-tiny, folded, 224 px: no file: timm is missing" in page


def test_trials_of_which_nothing_could_be_built_give_a_page(trial, tmp_path):
    page = write_page([trial("timm:convit_tiny", {}, error="timm is missing")], tmp_path).read_text("utf-8")
    assert "timm is missing" in page
