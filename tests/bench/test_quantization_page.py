"""The doctor's page: every finding stands on it, and nothing outside is referred to."""

import re

import pytest

from underone.bench.quantization_page import gains_table, layers_table, write_diagnosis
from underone.quantization.diagnosis import Channels, Diagnosis, Gain, LayerFinding


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
    channels = (Channels(layer="block.1", before=(4.0, 1.0, 0.5), after=(4.0, 3.9, 3.8)),)
    return Diagnosis(model="net", calibration="mean", pictures=64, layers=layers, gains=gains, channels=channels)


def test_page_holds_the_findings(found, tmp_path):
    page = write_diagnosis(found, tmp_path / "doctor").read_text("utf-8")
    for text in ("net in 8 bits", "block.1", "4.0×", "97.5 %", "scale, channel 3: 1 of 2", "1.0e-02"):
        assert text in page
    assert page.count("<svg") == 3
    assert not re.search(r"(src|href)=[\"']http", page)
    assert Diagnosis.model_validate_json((tmp_path / "doctor" / "diagnosis.json").read_bytes()) == found


def test_tables_show_the_worst_layers_and_the_gain(found):
    assert [row[0] for row in layers_table(found).rows] == [f"block.{i}" for i in range(1, 13)]
    assert [row[2] for row in gains_table(found).rows] == ["1.0×", "4.0×"]
