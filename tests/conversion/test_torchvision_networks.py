"""State dicts of torchvision's detectors and segmenters become networks that answer as torchvision does."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

import underone as uo
from underone.compare import difference
from underone.conversion.torchvision_networks import NETWORKS, read_torchvision
from underone.errors import ParityFailed, WeightsMismatch
from underone.graph import run_reference, to_onnx
from underone.spec import VOC_CLASSES

SSDLITE, LRASPP, DEEPLAB = "ssdlite320_mobilenet_v3_large", "lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large"


def trained(name, classes, **options):
    """Build torchvision's network with statistics as after training."""
    torch.manual_seed(1)
    model = torchvision.models.get_model(
        name, weights=None, weights_backbone=None, num_classes=classes, **options
    ).eval()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean, -0.2, 0.2)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        nn.init.uniform_(norm.weight, 0.7, 1.4)
        nn.init.uniform_(norm.bias, -0.2, 0.4)
    return model


def arrays(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


@pytest.fixture(scope="module")
def ssdlite():
    return trained(SSDLITE, 91)


def test_detector_gives_torchvisions_heads(ssdlite):
    network, parity = read_torchvision(arrays(ssdlite), "w.pth")
    graph = network.graph
    assert parity.passed
    assert graph.spec.detection.anchor_count == 3234  # of torchvision's documentation
    assert len(graph.spec.labels) == 90
    assert graph.spec.labels[0] == "person"
    image = torch.rand(1, 3, 320, 320) * 2 - 1
    got = run_reference(graph, {"image": image.numpy()})
    with torch.no_grad():
        want = ssdlite.head(list(ssdlite.backbone(image).values()))
    for ours, theirs in (("box_codes", "bbox_regression"), ("logits", "cls_logits")):
        assert difference(got[ours], want[theirs].numpy())[0] <= 1e-9


def test_boxes_are_those_of_torchvision(ssdlite, tmp_path):
    """A picture of the network's size, which neither of both resizes; scores are low, for the weights are random."""
    network, _ = read_torchvision(arrays(ssdlite), "w.pth")
    (tmp_path / "net.onnx").write_bytes(to_onnx(network.graph))
    picture = np.random.default_rng(2).integers(0, 256, (320, 320, 3)).astype(np.uint8)
    with torch.no_grad():
        [want] = ssdlite([torch.from_numpy(picture.transpose(2, 0, 1) / np.float32(255))])
    least = float(want["scores"][19])
    with uo.load(tmp_path / "net.onnx", backend="onnxruntime") as net:
        found = net.detect(picture, threshold=least - 1e-4)  # with all that are as good as the last
    np.testing.assert_allclose(found.scores[:20], want["scores"][:20].numpy(), atol=1e-5)
    for box in want["boxes"][:20].numpy():  # far cells see the same, so the order of equal scores is chance
        assert np.abs(found.boxes - box).max(1).min() <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", [SSDLITE, LRASPP])
def test_file_becomes_a_network_that_runs(name, tmp_path):
    torch.save({"model": trained(name, 21).state_dict()}, tmp_path / "w.pth")
    made = uo.convert(tmp_path / "w.pth", tmp_path / "net.onnx")
    assert (made.road, made.format, made.spec.name, made.parity.passed) == ("graph", "pth", name, True)
    with uo.load(made.output) as net:
        assert net.spec.task == ("detect" if name == SSDLITE else "segment")


def test_segmenter_gives_torchvisions_map_without_its_second_head():
    model = trained(DEEPLAB, 21, aux_loss=True)
    network, parity = read_torchvision(arrays(model), "w.pth")
    spec = network.graph.spec
    assert parity.passed
    assert (spec.task, spec.labels, spec.segmentation.alignment) == ("segment", VOC_CLASSES, "borders")
    assert any("second head" in note for note in network.notes)
    image = torch.randn(1, 3, 520, 520)
    [logits] = run_reference(network.graph, {"image": image.numpy()}).values()
    with torch.no_grad():
        want = model(image)["out"].numpy()
    got = nn.functional.interpolate(torch.from_numpy(logits), (520, 520), mode="bilinear").numpy()
    assert difference(got, want)[0] <= 1e-9


@pytest.mark.parametrize("name", [entry.name for entry in NETWORKS])
def test_names_lead_to_one_network(name):
    """Markers stand in torchvision's own names, and no row before takes them."""
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None, weights_backbone=None)
    names = set(model.state_dict())
    fitting = [entry.name for entry in NETWORKS if set(entry.marker) <= names]
    assert fitting[0] == name
    entry = next(entry for entry in NETWORKS if entry.name == name)
    assert entry.counts[0] in names


def test_what_does_not_fit_is_refused():
    state = arrays(trained(LRASPP, 3))
    with pytest.raises(
        WeightsMismatch, match=r"classifier\.low_classifier\.weight' has 1 rows; 1 for each of 2 classes"
    ):
        read_torchvision(state | {"classifier.low_classifier.weight": np.zeros((1, 40, 1, 1))}, "w.pth")
    for shape in ((300_000_000, 0), (1 << 40, 0)):  # rows without a number
        with pytest.raises(WeightsMismatch, match="has 0 rows; 1 for each of 2 classes"):
            read_torchvision(state | {"classifier.low_classifier.weight": np.zeros(shape, np.float32)}, "w.pth")
    wide = np.broadcast_to(np.float32(0), (300_000_000, 1))  # of a network of 48 GB
    with pytest.raises(WeightsMismatch, match=r"low_classifier\.weight +file \(300000000, 1\)"):
        read_torchvision(state | {"classifier.low_classifier.weight": wide}, "w.pth")
    with pytest.raises(WeightsMismatch, match=r"tensors do not fit 'lraspp_mobilenet_v3_large'"):
        read_torchvision(state | {"backbone.0.0.weight": np.zeros((16, 3, 5, 5))}, "w.pth")
    assert read_torchvision({"features.0.0.weight": np.zeros((1, 1, 1, 1))}, "w.pth") is None


def test_translation_with_a_fault_is_refused(tmp_path, monkeypatch):
    """The planted fault: the first convolution is one percent too large."""
    from underone.conversion import torchvision_networks
    from underone.graph import Graph

    whole = torchvision_networks.fold_batch_norm

    def faulty(graph: Graph) -> Graph:
        folded = whole(graph)
        name = next(node.inputs[1] for node in folded.nodes if node.op == "Conv")
        return Graph(**{**vars(folded), "constants": {**folded.constants, name: folded.constants[name] * 1.01}})

    monkeypatch.setattr(torchvision_networks, "fold_batch_norm", faulty)
    torch.save(trained(LRASPP, 3).state_dict(), tmp_path / "w.pth")
    with pytest.raises(ParityFailed, match="lraspp_mobilenet_v3_large with the weights of the file"):
        uo.convert(tmp_path / "w.pth", tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()
