"""The doctor's page: every finding stands on it, and nothing outside is referred to."""

import re

import pytest

from underone.bench.machine import describe
from underone.bench.quantization_page import gains_table, layers_table, write_diagnosis
from underone.bench.record import Protocol, Record
from underone.quantization.diagnosis import Channels, Diagnosis, Gain, LayerFinding, Option, Spread


def timed(samples, error=None):
    """Return a record with these times."""
    return Record(
        model="net", engine="native", threads=1, precision="int8", machine=describe(), protocol=Protocol(),
        samples_ms=tuple(samples), round_sizes=(len(samples),), error=error,
    )  # fmt: skip


@pytest.fixture
def found():
    """Return made-up findings."""
    layers = tuple(
        LayerFinding(
            name=f"block.{i}", op="Conv", alone=10.0**-i, accumulated=2e-3 * i, weights_apart=3.0, inputs_apart=7.25,
            widened_by="scale, channel 3: 1 of 2" if i == 1 else "",
        )
        for i in range(1, 20)
    )  # fmt: skip
    gains = (Gain(remedies=(), nmse=0.04, same_top1=90.0), Gain(remedies=("bias",), nmse=0.01, same_top1=97.5))
    before = Spread(channels=(4.0, 1.0, 0.5), edges=(-1.0, 4.0), counts=(5, 0, 9), range=(0.0, 3.5))
    after = before.model_copy(update={"channels": (4.0, 3.9, 3.8)})
    channels = (Channels(layer="block.1", before=before, after=after),)
    options = (
        Option(kept=(), nmse=0.03, same_top1=91.0), Option(kept=("block.1", "block.2"), nmse=0.002, same_top1=None)
    )  # fmt: skip
    return Diagnosis(
        model="net", calibration="mean", pictures=64, layers=layers, gains=gains, channels=channels, options=options
    )


def test_page_holds_the_findings(found, tmp_path):
    page = write_diagnosis(found, tmp_path / "doctor").read_text("utf-8")
    for text in ("net in 8 bits", "block.1", "4.0×", "97.5 %", "scale, channel 3: 1 of 2", "1.0e-02"):
        assert text in page
    assert page.count("<svg") == 4
    assert not re.search(r"(src|href)=[\"']http", page)
    assert Diagnosis.model_validate_json((tmp_path / "doctor" / "diagnosis.json").read_bytes()) == found


def test_tables_show_the_worst_layers_and_the_gain(found):
    assert [row[0] for row in layers_table(found).rows] == [f"block.{i}" for i in range(1, 13)]
    assert [row[2] for row in gains_table(found).rows] == ["1.0×", "4.0×"]


def test_options_stand_beside_their_times(found, tmp_path):
    records = [timed([ms] * 20) for ms in (4.0, 1.5, 2.5)]
    page = write_diagnosis(found, tmp_path, records).read_text("utf-8")
    section = page[page.index("Accuracy against time") :]
    assert section.count("<svg") == 1
    for text in ("all in int8", "2 layers in float32", "block.1, block.2", "2.0e-03", "91.0 %", "1.50", "4.00"):
        assert text in section


def test_an_option_that_was_not_timed_leaves_the_tables(found, tmp_path):
    records = [timed([4.0] * 20), timed([1.5] * 20), timed([], error="it broke")]
    page = write_diagnosis(found, tmp_path, records).read_text("utf-8")
    section = page[page.index("Accuracy against time") :]
    assert "<svg" not in section
    assert "failed" in section
