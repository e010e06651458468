"""Detectors: counts, maps and anchors of the published ones; what is refused."""

import pytest
import torch
from torch import nn
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from underone.errors import BadValue, UnknownName
from underone.models.build_detector import build_detector
from underone.models.detectors import DETECTORS, detection_for, find_detector
from underone.models.ssd import SSD
from underone.models.table import MODELS
from underone.nn.macs import count_macs

# name, size → GMAC, million parameters with 91 class outputs, anchors: TensorFlow's configurations, by their formulas
COUNTS = {
    ("ssd300_mobilenet_v1_100", 300): (1.24, 6.82, 1917),
    ("ssd300_mobilenet_v2_100", 300): (1.88, 16.8, 1917),
    ("ssdlite300_mobilenet_v1_100", 300): (1.21, 5.25, 1917),
    ("ssdlite300_mobilenet_v2_100", 300): (0.75, 4.50, 1917),
    ("ssdlite300_mobilenet_v2_100", 320): (0.80, 4.50, 2034),
}


@pytest.mark.parametrize(("name", "size"), COUNTS)
def test_counts_follow_from_tensorflow_s_configurations(name, size):
    gmac, params, anchors = COUNTS[name, size]
    model = build_detector(name, num_classes=90, size=size).eval()
    assert count_macs(model, torch.zeros(1, 3, size, size)) / 1e9 == pytest.approx(gmac, abs=0.006)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(params, rel=0.003)
    assert model.spec.detection.anchor_count == anchors


def test_heads_and_anchors_are_torchvision_s():
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=91)
    ours = build_detector("ssdlite320_mobilenet_v2_100", num_classes=90).eval()
    with torch.no_grad():
        outputs = ours(torch.zeros(2, 3, 320, 320))
    assert outputs["box_codes"].shape == (2, 3234, 4)
    assert outputs["logits"].shape == (2, 3234, 91)
    boxes = [tuple(head[-1].weight.shape[:1]) for head in theirs.head.regression_head.module_list]
    assert [tuple(head[-1].weight.shape[:1]) for head in ours.box_heads] == boxes
    middle = [extra[0][0].weight.shape[0] for extra in theirs.backbone.extra]
    assert [extra[0].conv.weight.shape[0] for extra in ours.extras] == middle


@pytest.mark.parametrize("size", [(300, 300), (320, 320), (224, 256), (97, 321)])
def test_rows_are_as_many_as_anchors_at_any_size(size):
    model = build_detector("ssdlite320_mobilenet_v2_035", num_classes=2, size=size).eval()
    with torch.no_grad():
        outputs = model(torch.zeros(1, 3, *size))
    assert outputs["logits"].shape == (1, model.spec.detection.anchor_count, 3)
    assert model.spec.outputs[0].shape == (None, *outputs["box_codes"].shape[1:])


def test_rows_are_in_the_order_of_row_column_anchor():
    model = build_detector("ssdlite320_mobilenet_v1_025", num_classes=1, size=64).eval()  # 4 x 4 cells, then 2 x 2
    for head in model.box_heads:
        nn.init.zeros_(head[-1].weight)
        head[-1].bias.data = torch.arange(len(head[-1].bias)).float()  # anchor a, number n: 4 a + n
    with torch.no_grad():
        codes = model(torch.rand(1, 3, 64, 64))["box_codes"][0]
    assert codes[:6].tolist() == torch.arange(24).reshape(6, 4).tolist()
    assert torch.equal(codes[:96], codes[:6].repeat(16, 1))


@pytest.mark.parametrize("family", ["ssd300", "ssdlite300", "ssdlite320"])
@pytest.mark.parametrize("backbone", ["mobileone_s0", "mobilenet_v1_025", "mobilenet_v2_035", "efficientnet_lite0"])
def test_detectors_on_each_family_of_backbones_read_maps_of_strides_16_and_32(family, backbone):
    model = build_detector(f"{family}_{backbone}", num_classes=1, size=64)
    assert [feature.stride for feature in model.backbone.features] == [16, 32]


def test_mobilenet_v2_is_read_where_tensorflow_reads_it():
    features = build_detector("ssdlite320_mobilenet_v2_100", num_classes=1).backbone.features
    assert [feature.channels for feature in features] == [576, 1280]


def test_folded_form_is_built_directly():
    model = build_detector("ssdlite320_mobileone_s0", num_classes=1, size=64, form="folded")
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert model.spec.form == "folded"


def test_tensorflow_limits_what_is_kept_alone():
    how = detection_for((300, 300), "tensorflow")
    assert (how.top_k, how.max_per_class, how.max_detections) == (1917, 100, 100)


def test_there_is_a_detector_of_each_kind_for_each_backbone():
    assert len(DETECTORS) == 3 * len(MODELS)
    assert find_detector("ssdlite320_mobilenet_v2").name == "ssdlite320_mobilenet_v2_100"


def test_wrong_arguments_are_refused():
    with pytest.raises(UnknownName, match=r"unknown detector 'ssdlite320_resnet'"):
        find_detector("ssdlite320_resnet")
    with pytest.raises(UnknownName, match="unknown detection convention 'caffe'"):
        detection_for((300, 300), "caffe")
    with pytest.raises(BadValue, match=r"size=\(300, 8\); \(height, width\) in pixels, each 32 or more"):
        build_detector("ssdlite320_mobilenet_v2_035", size=(300, 8))
    with pytest.raises(BadValue, match=r"100000 x 100000 pixels is too large: .* anchors; at most 1048576 are allowed"):
        build_detector("ssdlite320_mobilenet_v2_035", size=100_000)
    with pytest.raises(BadValue, match="num_classes=0; a whole number of kinds of objects, 1 or more"):
        build_detector("ssdlite320_mobilenet_v2_035", num_classes=0)
    with pytest.raises(BadValue, match=r"padding='keras' and a picture of \(300, 300\) pixels; multiples of 32"):
        build_detector("ssdlite300_mobilenet_v1_025", padding="keras")
    backbone = build_detector("ssdlite320_mobilenet_v1_025", num_classes=1).backbone
    backbone.features = backbone.features[:1]
    with pytest.raises(BadValue, match=r"1 feature maps and anchors for 6; 2 maps and 6 are required"):
        SSD(backbone, [6] * 6, 2, nn.Conv2d)


def test_anchors_that_do_not_fit_the_input_are_refused():
    made_for_300 = detection_for((300, 300), "tensorflow")
    with pytest.raises(BadValue, match=r"a picture of 320 x 320 pixels gives \[\(20, 20\), .*pass size="):
        build_detector("ssdlite320_mobilenet_v2_035", detection=made_for_300)
