"""Published detectors, converted: what they find on photographs, against the frameworks that they come from."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from underone.boxes import iou
from underone.errors import FetchFailed
from underone.files import fetch
from underone.foreign import read_foreign
from underone.foreign.task import with_task
from underone.graph.to_onnx import to_onnx
from underone.runtime import load
from underone.weights.real_files import REAL_FILES

GOLDEN = Path(__file__).parents[1] / "golden" / "detections"
ASSETS = os.environ.get("UNDERONE_ASSETS")


def fetched(name):
    try:
        return fetch(REAL_FILES[name])
    except FetchFailed as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def photographs():
    if not ASSETS:
        pytest.skip("needs the photographs of the assets; UNDERONE_ASSETS names their folder")
    return Path(ASSETS) / "photos"


def converted(source, folder, **changes):
    """Give the network of a file as `convert` writes it, without the proof."""
    file = read_foreign(source)
    graph, _ = with_task(file.graph(), file.format, file.labels)
    path = folder / "detector.onnx"
    path.write_bytes(to_onnx(replace(graph, spec=graph.spec.model_copy(update=changes))))
    return path


def shares(found):
    height, width = found.picture.shape[:2]
    return found.boxes / np.float32([width, height, width, height])


@pytest.mark.parametrize("backend", ["native", "onnxruntime"])
def test_pedestrians_are_those_that_tensorflow_finds(backend, tmp_path, photographs):
    wanted, compared = json.loads((GOLDEN / "pedestrian.json").read_text()), 0
    with load(converted(fetched("pedestrian_ssdlite_frozen"), tmp_path), backend=backend) as net:
        for name, want in wanted.items():
            found = net.detect(photographs / name, threshold=0.25)
            assert len(found) == len(want["scores"]), name
            if len(found):
                overlap = np.diag(iou(np.array(want["boxes"]), shares(found)))
                assert overlap.min() >= 0.99, name
                np.testing.assert_allclose(found.scores, want["scores"], atol=1e-3, err_msg=name)
                compared += sum(score >= 0.3 for score in want["scores"])
    assert compared == 12


def test_spec_of_the_pedestrian_detector_is_that_of_its_graph(tmp_path):
    with load(converted(fetched("pedestrian_ssdlite_frozen"), tmp_path), backend="onnxruntime") as net:
        how, preparation = net.spec.detection, net.spec.input.preparation
    assert (how.code, how.activation, how.background, how.nms) == ("yxhw", "none", 0, "hard")
    assert how.variances == pytest.approx((0.1, 0.1, 0.2, 0.2))
    assert how.iou_threshold == pytest.approx(0.6)
    assert (how.max_per_class, how.max_detections, how.top_k) == (100, 100, 1917)
    assert [(g.rows, g.columns, len(g.shapes)) for g in how.anchors] == [
        (19, 19, 3), (10, 10, 6), (5, 5, 6), (3, 3, 6), (2, 2, 6), (1, 1, 6)
    ]  # fmt: skip
    assert (preparation.range, preparation.interpolation, preparation.resize) == (
        (0, 255),
        "bilinear_corner",
        "squeeze",
    )
