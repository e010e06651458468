"""Every network of the paper's table as a file: its counts are the published ones, or the table says why not."""

import pytest

from underone.graph import read_onnx
from underone.study.cases import STUDIES
from underone.study.columns import deviation
from underone.study.networks.build import build
from underone.study.table import BY_SOURCE, DEVIATIONS
from underone.study.trial import count_facts


@pytest.mark.slow
@pytest.mark.parametrize("case", STUDIES["correlation"], ids=lambda case: case.source)
def test_counts_are_the_published_ones_or_have_a_reason(case, tmp_path):
    differs = deviation(BY_SOURCE[case.source], count_facts(read_onnx(build(case, tmp_path)), 1))
    assert (differs is not None) == (case.source in DEVIATIONS), differs


@pytest.mark.parametrize("source", ["here:mobilenext_140", "torchvision:squeezenet1_1"])
def test_a_file_is_made_once_and_takes_any_batch(source, tmp_path):
    case = next(case for case in STUDIES["correlation"] if case.source == source)
    path = build(case, tmp_path)
    written = path.stat().st_mtime_ns
    assert build(case, tmp_path) == path
    assert path.stat().st_mtime_ns == written
    assert read_onnx(path).inputs[0].shape == (None, 3, 224, 224)
    assert deviation(BY_SOURCE[source], count_facts(read_onnx(path), 1)) is None
