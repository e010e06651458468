"""Programs that coremltools' own torch front end wrote, read and run here, against torch: the interpreter's proof."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from underone.compare import difference
from underone.foreign import read_foreign
from underone.graph import run_reference

ct = pytest.importorskip("coremltools")


class Layers(nn.Module):
    """Layers of mobile networks whose settings are easily confused: padding, strides, corners, groups."""

    def __init__(self, pads=(0, 1, 0, 1), corners=True, gain=1.0, channels=(0, 1, 2), prepared=1):
        super().__init__()
        self.pads, self.corners, self.gain, self.channels, self.prepared = pads, corners, gain, channels, prepared
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish())
        self.depthwise = nn.Sequential(
            nn.Conv2d(8, 8, 5, 1, (4, 3), groups=8, dilation=2), nn.BatchNorm2d(8), nn.ReLU6()
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.SiLU(), nn.Conv2d(4, 8, 1), nn.Hardsigmoid()
        )
        self.up = nn.ConvTranspose2d(8, 6, 3, 2, 1, 1)
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = x[:, self.channels]
        for _ in range(self.prepared):
            x = (x - 0.4) / 0.25
        y = self.depthwise(self.stem(F.pad(x, self.pads)) * self.gain / self.gain)
        y = y * self.gate(y)
        y = torch.cat([F.avg_pool2d(y, 3, 2, 1), F.max_pool2d(y, 3, 2, 1)], 1)[:, ::2]
        y = F.interpolate(self.up(y), size=(31, 29), mode="bilinear", align_corners=self.corners)
        z = F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)
        z = F.leaky_relu(z, 0.1) + F.interpolate(y, scale_factor=2, mode="nearest")
        logits = self.head(z.mean((2, 3)))
        return logits, torch.softmax(logits, -1), z.permute(0, 2, 3, 1).reshape(1, -1, 6)


class Functions(nn.Module):
    """Functions of one element and of two, and moves of elements."""

    def forward(self, x):
        a, b = torch.split(x, [3, 3], 1)
        c = F.elu(a) + F.gelu(b) * F.softplus(a) - torch.tanh(b) / (1.5 + torch.sigmoid(a))
        d = torch.maximum(c, a.abs().sqrt()) + torch.exp(-b.square()).clamp(0.1, 0.9)
        d = torch.where(a > b, d, F.mish(a)) + F.prelu(b, torch.tensor([0.1, 0.2, 0.3]))
        e = F.pixel_shuffle(torch.cat([d, c, a, b], 1), 2)
        f = F.pad(e, (1, 2, 0, 3), mode="reflect").mean(3, keepdim=True).squeeze(3)
        g = torch.matmul(f.transpose(1, 2), f).amax(1)
        return e[:, :, 1:-1, ::2], torch.log_softmax(f, -1), g.argmax(-1), torch.rsqrt(g.abs() + 1)


def alive(model):
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator)
    return model.eval()


def converted(model, image, path, precision):
    """Let coremltools make a package of a torch module by its own front end and all of its passes."""
    with warnings.catch_warnings(action="ignore"):
        package = ct.convert(
            torch.jit.trace(model, image),
            inputs=[ct.TensorType(name="image", shape=tuple(image.shape), dtype=np.float32)],
            compute_precision=ct.precision[precision],
            minimum_deployment_target=ct.target.iOS16,
            outputs=None,
            skip_model_load=True,
        )
        package.save(str(path))
        del package
    return path


@pytest.mark.parametrize(("precision", "limit"), [("FLOAT32", 1e-12), ("FLOAT16", 1e-5)])
@pytest.mark.parametrize(("model", "shape"), [(Layers, (1, 3, 45, 41)), (Functions, (1, 6, 10, 12))])
def test_program_of_the_torch_front_end_gives_what_torch_gives(tmp_path, model, shape, precision, limit):
    torch.manual_seed(0)
    model, image = alive(model()), torch.randn(shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want = [np.asarray(v) for v in model(image)]
    graph = read_foreign(converted(model, image, tmp_path / "net.mlpackage", precision)).graph()
    half = {c.dtype.name for c in graph.constants.values()} | {n.attrs.get("to") for n in graph.nodes}
    assert ("float16" in half) == (precision == "FLOAT16")
    got = run_reference(graph, {"image": image.numpy()})
    assert len(want) == len(graph.outputs)
    for value, wanted in zip(graph.outputs, want, strict=True):
        if wanted.dtype.kind == "i":
            assert np.array_equal(got[value.name], wanted), value.name
        else:
            assert difference(got[value.name], wanted)[0] < limit, value.name


FAULTS = {
    "swapped channels": {"channels": (2, 1, 0)},
    "prepared twice": {"prepared": 2},
    "not prepared": {"prepared": 0},
    "padding on the other side": {"pads": (1, 0, 1, 0)},
    "padding on both sides": {"pads": (1, 1, 1, 1)},
    "other corners": {"corners": False},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_in_a_program_of_the_torch_front_end_is_found(tmp_path, fault):
    image = torch.randn(1, 3, 45, 41, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    with torch.no_grad():
        _, _, want = alive(Layers())(image)
    torch.manual_seed(0)
    graph = read_foreign(
        converted(alive(Layers(**FAULTS[fault])), image, tmp_path / "net.mlpackage", "FLOAT32")
    ).graph()
    got = run_reference(graph, {"image": image.numpy()})[graph.outputs[2].name]
    assert difference(got, want.numpy())[0] > 1e-3


def test_overflow_in_a_program_of_the_torch_front_end_is_found(tmp_path):
    image = torch.randn(1, 3, 45, 41, generator=torch.Generator().manual_seed(1))
    model = alive(Layers(gain=60000.0))
    for precision, finite in (("FLOAT32", True), ("FLOAT16", False)):
        graph = read_foreign(converted(model, image, tmp_path / f"{precision}.mlpackage", precision)).graph()
        got = run_reference(graph, {"image": image.numpy()})
        assert np.isfinite(got[graph.outputs[2].name]).all() == finite


@pytest.mark.parametrize(("mode", "size", "want"), [
    ("STRICT_ALIGN_CORNERS", 5, [0, 0.25, 0.5, 0.75, 1]),
    ("UNALIGN_CORNERS", 5, [0, 0.1, 0.5, 0.9, 1]),
    ("DEFAULT", 5, [0, 0.4, 0.8, 1, 1]),
    ("STRICT_ALIGN_CORNERS", 6, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ("UNALIGN_CORNERS", 6, [0, 0, 1 / 3, 2 / 3, 1, 1]),
    ("DEFAULT", 6, [0, 1 / 3, 2 / 3, 1, 1, 1]),
])  # fmt: skip
def test_corners_are_those_of_the_documentation(tmp_path, mode, size, want):
    """The numbers stand in coremltools' documentation of `resize_bilinear`, for the row [0, 1]."""
    from coremltools.converters.mil import Builder

    @Builder.program(input_specs=[Builder.TensorSpec((1, 1, 2, 2))], opset_version=ct.target.iOS15)
    def program(x):
        how = {"target_size_height": 2, "target_size_width": size, "sampling_mode": mode}
        return Builder.resize_bilinear(x=x, **how, name="result")

    with warnings.catch_warnings(action="ignore"):
        package = ct.convert(
            program, compute_precision=ct.precision.FLOAT32, minimum_deployment_target=ct.target.iOS15,
            skip_model_load=True,
        )  # fmt: skip
        package.save(str(tmp_path / "net.mlpackage"))
        del package
    graph = read_foreign(tmp_path / "net.mlpackage").graph()
    row = np.array([0, 1], np.float32)
    got = run_reference(graph, {"x": np.broadcast_to(row, (1, 1, 2, 2))})["result"]
    np.testing.assert_allclose(got[0, 0], np.broadcast_to(want, (2, size)), atol=1e-6)
