"""Detectors with Apple's suppression behind them."""

import numpy as np
import pytest

pytest.importorskip("coremltools")

import underone as uo
from underone.boxes import anchor_boxes, decode
from underone.boxes.coding import centres
from underone.errors import BadValue, Unsupported
from underone.foreign import read_foreign
from underone.graph import Graph, Node, Value, run_reference
from underone.spec import IMAGENET_PREPARATION, AnchorGrid, DetectionSpec, InputSpec, ModelSpec, OutputSpec

GRID = AnchorGrid(rows=4, columns=4, shapes=((0.2, 0.3), (0.5, 0.4)), step=(0.25, 0.25))


def detector(**settings):
    """A head on a picture of 16 x 16: two anchors for each of 4 x 4 cells, background and three classes."""
    rng = np.random.default_rng(0)
    constants = {
        "codes.w": rng.standard_normal((8, 3, 4, 4)) / 7, "scores.w": rng.standard_normal((8, 3, 4, 4)) / 3,
    }  # fmt: skip
    nodes = []
    for name, size in (("codes", 4), ("scores", 4)):
        nodes += [
            Node("Conv", ("image", f"{name}.w"), (f"{name}.map",), {"strides": (4, 4)}, f"{name}.map"),
            Node("Transpose", (f"{name}.map",), (f"{name}.last",), {"perm": (0, 2, 3, 1)}, f"{name}.last"),
            Node("Reshape", (f"{name}.last",), (name,), {"shape": (-1, 32, size)}, name),
        ]
    how = DetectionSpec(anchors=(GRID,), **settings)
    spec = ModelSpec(
        name="cells",
        task="detect",
        inputs=(InputSpec(shape=(None, 3, 16, 16), preparation=IMAGENET_PREPARATION.whole()),),
        outputs=(
            OutputSpec(name="codes", shape=(None, 32, 4), meaning="box_codes"),
            OutputSpec(name="scores", shape=(None, 32, 4), meaning="logits"),
        ),
        labels=("red", "white", "platelet") if how.background == 0 else ("red", "white", "platelet", "none"),
        detection=how,
    )
    outputs = (Value("codes", (None, 32, 4)), Value("scores", (None, 32, 4)))
    image = (Value("image", (None, 3, 16, 16)),)
    return Graph(tuple(nodes), image, outputs, {n: c.astype(np.float32) for n, c in constants.items()}, spec)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("settings", [
    {}, {"code": "yxhw", "activation": "sigmoid"}, {"background": None}, {"sizes": "linear", "variances": (1, 1, 2, 3)},
])  # fmt: skip
def test_boxes_and_scores_before_the_suppression_are_ours(tmp_path, settings, dtype):
    graph = detector(**settings)
    path = uo.export(graph, tmp_path / "cells.mlpackage", dtype, nms=True)
    inside = read_foreign(path).graph()
    assert [v.name for v in inside.outputs] == ["raw_confidence", "raw_coordinates"]
    picture = np.random.default_rng(3).integers(0, 256, (1, 3, 16, 16)).astype(np.float32)
    got = run_reference(inside, {"image": picture})
    how = graph.spec.detection
    mean, std = (np.reshape(v, (1, 3, 1, 1)) for v in (IMAGENET_PREPARATION.mean, IMAGENET_PREPARATION.std))
    found = run_reference(graph, {"image": ((picture / 255 - mean) / std).astype(np.float32)})
    want = centres(decode(found["codes"][0], anchor_boxes(how.anchors), how))
    np.testing.assert_allclose(got["raw_coordinates"], want, atol=1e-5 if dtype == "float32" else 3e-3)
    assert got["raw_confidence"].shape == (32, graph.spec.classes)
    if how.activation == "softmax" and how.background == 0:
        assert (got["raw_confidence"].sum(1) < 1).all()


def test_pipeline_suppresses_by_the_thresholds_of_the_spec(tmp_path):
    from coremltools.proto import Model_pb2

    path = uo.export(detector(iou_threshold=0.45, score_threshold=0.25), tmp_path / "cells.mlpackage", nms=True)
    model = Model_pb2.Model.FromString((path / "Data/com.apple.CoreML/model.mlmodel").read_bytes())
    network, last = model.pipeline.models
    assert [i.name for i in model.description.input] == ["image", "iouThreshold", "confidenceThreshold"]
    assert model.description.input[0].type.WhichOneof("Type") == "imageType"
    assert [o.name for o in model.description.output] == ["confidence", "coordinates"]
    assert list(last.nonMaximumSuppression.stringClassLabels.vector) == ["red", "white", "platelet"]
    nms = last.nonMaximumSuppression
    assert (nms.iouThreshold, nms.confidenceThreshold, nms.pickTop.perClass) == (0.45, 0.25, True)
    inside = {o.name for o in network.description.output}
    assert {nms.confidenceInputFeatureName, nms.coordinatesInputFeatureName} == inside


def test_other_suppression_and_other_tasks_are_refused(tmp_path):
    with pytest.raises(Unsupported, match=r"nms=True: 'cells' suppresses in the way 'soft'.*export without nms"):
        uo.export(detector(nms="soft"), tmp_path / "cells.mlpackage", nms=True)
    graph = detector()
    graph = Graph(graph.nodes, graph.inputs, graph.outputs, graph.constants)
    with pytest.raises(BadValue, match=r"nms=True: .* is no detector with box codes and logits"):
        uo.export(graph, tmp_path / "cells.mlpackage", nms=True)
    assert not list(tmp_path.iterdir())


def test_without_nms_codes_and_scores_come_out(tmp_path):
    inside = read_foreign(uo.export(detector(), tmp_path / "cells.mlpackage")).graph()
    assert [(v.name, v.shape) for v in inside.outputs] == [("codes", (1, 32, 4)), ("scores", (1, 32, 4))]
    assert inside.spec.detection == detector().spec.detection
