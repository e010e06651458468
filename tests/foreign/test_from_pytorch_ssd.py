"""mb1-ssd and mb2-ssd-lite by their published layout, against torch modules that are written here from it."""

import contextlib
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

import underone as uo
from underone.boxes import anchor_boxes
from underone.compare import difference
from underone.errors import BadFile, UnderOneError, WeightsMismatch
from underone.foreign.from_pytorch_ssd import read_pytorch_ssd
from underone.graph import to_onnx
from underone.spec import VOC_CLASSES

CLASSES = 4


def block(before, after, size, stride=1, groups=1, act=nn.ReLU6):
    layers = [nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(after)]
    return [*layers, act()] if act else layers


class Inverted(nn.Module):
    def __init__(self, before, after, stride, ratio):
        super().__init__()
        wide = round(before * ratio)
        expand = [] if ratio == 1 else block(before, wide, 1)
        self.conv = nn.Sequential(*expand, *block(wide, wide, 3, stride, wide), *block(wide, after, 1, act=None))
        self.same = stride == 1 and before == after

    def forward(self, x):
        return x + self.conv(x) if self.same else self.conv(x)


def mobilenet_v1():
    rows = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    layers, before = [nn.Sequential(*block(3, 32, 3, 2, act=nn.ReLU))], 32
    for after, stride in rows:
        layers.append(
            nn.Sequential(*block(before, before, 3, stride, before, nn.ReLU), *block(before, after, 1, act=nn.ReLU))
        )
        before = after
    return nn.Sequential(*layers)


def mobilenet_v2():
    rows = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    layers, before = [nn.Sequential(*block(3, 32, 3, 2))], 32
    for ratio, after, repeats, stride in rows:
        for i in range(repeats):
            layers.append(Inverted(before, after, stride if i == 0 else 1, ratio))
            before = after
    return nn.Sequential(*layers, nn.Sequential(*block(320, 1280, 1)))


class V1(nn.Module):
    def __init__(self):
        super().__init__()
        self.base_net = mobilenet_v1()
        wide = (512, 1024, 512, 256, 256, 256)
        self.extras = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(a, b // 2 if i else 256, 1), nn.ReLU(), nn.Conv2d(b // 2 if i else 256, b, 3, 2, 1), nn.ReLU()
            )
            for i, (a, b) in enumerate(itertools.pairwise(wide[1:]))
        )
        self.regression_headers = nn.ModuleList(nn.Conv2d(w, 24, 3, padding=1) for w in wide)
        self.classification_headers = nn.ModuleList(nn.Conv2d(w, 6 * CLASSES, 3, padding=1) for w in wide)

    def maps(self, x):
        x = self.base_net[:12](x)
        found = [x]
        found.append(self.base_net[12:](x))
        for extra in self.extras:
            found.append(extra(found[-1]))
        return found

    def forward(self, x):
        maps = self.maps(x)
        rows = [
            torch.cat([h(m).permute(0, 2, 3, 1).reshape(len(x), -1, n) for h, m in zip(heads, maps, strict=True)], 1)
            for heads, n in ((self.regression_headers, 4), (self.classification_headers, CLASSES))
        ]
        return {"box_codes": rows[0], "logits": rows[1]}


def separable(width, outputs):
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width),
        nn.BatchNorm2d(width),
        nn.ReLU6(),
        nn.Conv2d(width, outputs, 1),
    )


class V2(V1):
    def __init__(self):
        nn.Module.__init__(self)
        self.base_net = mobilenet_v2()
        rows = ((1280, 512, 0.2), (512, 256, 0.25), (256, 256, 0.5), (256, 64, 0.25))
        self.extras = nn.ModuleList(Inverted(a, b, 2, ratio) for a, b, ratio in rows)
        wide = (576, 1280, 512, 256, 256)
        self.regression_headers = nn.ModuleList([*(separable(w, 24) for w in wide), nn.Conv2d(64, 24, 1)])
        self.classification_headers = nn.ModuleList(
            [*(separable(w, 6 * CLASSES) for w in wide), nn.Conv2d(64, 6 * CLASSES, 1)]
        )

    def maps(self, x):
        x = self.base_net[:14](x)
        wide = self.base_net[14].conv[:3](x)
        found = [wide, self.base_net[15:](self.base_net[14].conv[3:](wide))]
        for extra in self.extras:
            found.append(extra(found[-1]))
        return found


@pytest.fixture(scope="module", params=[V1, V2], ids=["mb1-ssd", "mb2-ssd-lite"])
def trained(request):
    """Return a network with statistics as after training, and the name that its layout has."""
    torch.manual_seed(7)
    model = request.param().eval()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean, -0.3, 0.3)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        nn.init.uniform_(norm.weight, 0.7, 1.4)
        nn.init.uniform_(norm.bias, -0.3, 0.6)
    return model, {V1: "mb1-ssd", V2: "mb2-ssd-lite"}[request.param]


def arrays(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


@pytest.fixture(scope="module")
def network(trained):
    model, _ = trained
    return read_pytorch_ssd(arrays(model), "w.pth")


def test_heads_are_those_of_the_module(trained, network, tmp_path):
    model, name = trained
    spec = network.graph.spec
    assert (spec.name, spec.task, spec.classes) == (name, "detect", CLASSES - 1)
    assert "BatchNormalization" not in {node.op for node in network.graph.nodes}
    (tmp_path / "net.onnx").write_bytes(to_onnx(network.graph))
    image = torch.randn(1, 3, 300, 300)
    with torch.no_grad(), uo.load(tmp_path / "net.onnx", backend="native") as net:
        want, got = model(image), net.run(image.numpy())
    for output, array in want.items():
        nmse, peak = difference(got[output], array.numpy())
        assert nmse <= 1e-9, output
        assert peak <= 2e-3, output


def test_anchors_are_those_of_the_published_code(network):
    """Centres and sizes are cut at 1, as generate_ssd_priors does; 3000 in all."""
    maps, steps = (19, 10, 5, 3, 2, 1), (16, 32, 64, 100, 150, 300)
    want = []
    for i, (size, step) in enumerate(zip(maps, steps, strict=True)):
        least, most = 60 + 45 * i, 105 + 45 * i
        for y, x in itertools.product(range(size), repeat=2):
            centre = [(x + 0.5) * step / 300, (y + 0.5) * step / 300]
            sides = [(least, least), (math.sqrt(least * most),) * 2]
            for ratio in (2, 3):
                wide, narrow = least * math.sqrt(ratio), least / math.sqrt(ratio)
                sides += [(wide, narrow), (narrow, wide)]
            want += [[*centre, w / 300, h / 300] for w, h in sides]
    got = anchor_boxes(network.graph.spec.detection.anchors)
    assert got.shape == (3000, 4)
    np.testing.assert_allclose(got, np.minimum(want, 1), atol=1e-6)


def test_rules_are_those_of_the_published_configuration(network):
    spec = network.graph.spec
    how, image = spec.detection, spec.input.preparation
    assert (how.code, how.activation, how.background, how.iou_threshold, how.top_k) == ("xywh", "softmax", 0, 0.45, 200)
    assert (image.color, image.range, image.mean, image.std) == ("RGB", (0, 255), (127,) * 3, (128,) * 3)
    assert spec.labels is None  # of four classes
    assert any("published configuration" in note for note in network.notes)


def test_twenty_classes_are_named(trained):
    model, _ = trained
    changed = {}
    for name, array in arrays(model).items():
        wider = name.startswith("classification_headers") and array.shape[:1] == (6 * CLASSES,)
        changed[name] = np.zeros((6 * 21, *array.shape[1:]), np.float32) if wider else array
    assert read_pytorch_ssd(changed, "w.pth").graph.spec.labels == VOC_CLASSES[1:]


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"extras.2.conv.0.weight": None, "extras.2.0.weight": None}, WeightsMismatch, "is missing; 4 axes are required"),
    ({"base_net.0.0.weight": np.zeros(3)}, WeightsMismatch, r"has shape \(3,\); 4 axes are required"),
    ({"more.weight": np.zeros(3)}, WeightsMismatch, r"has no tensors \['more\.weight'\]; leave them out"),
    ({"classification_headers.5.bias": np.zeros(6)}, WeightsMismatch, "gives 6 numbers; 6 for each of 2 classes"),
    ({"base_net.0.0.weight": np.zeros((32, 5, 3, 3))}, BadFile, "w.pth"),
    ({"base_net.0.1.running_var": np.zeros(31)}, BadFile, "w.pth"),
])  # fmt: skip
def test_file_that_does_not_fit_is_refused_in_one_line(trained, change, error, message):
    model, _ = trained
    tensors = {name: array for name, array in (arrays(model) | change).items() if array is not None}
    with pytest.raises(error, match=message) as caught:
        read_pytorch_ssd(tensors, "w.pth")
    assert "\n" not in str(caught.value)


def test_other_names_are_not_taken():
    assert read_pytorch_ssd({"features.0.0.weight": np.zeros((1, 1, 1, 1))}, "w.pth") is None


def test_damaged_shapes_end_in_an_error_of_ours(trained):
    model, _ = trained
    rng, whole = np.random.default_rng(0), arrays(model)
    for _ in range(40):
        name = rng.choice([n for n in whole if "num_batches" not in n])
        shape = tuple(rng.integers(0, 4, rng.integers(0, 6)))
        with contextlib.suppress(UnderOneError):
            read_pytorch_ssd(whole | {name: np.ones(shape, np.float32)}, "w.pth")
