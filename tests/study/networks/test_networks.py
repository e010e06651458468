"""What is written here: parameters as published, layers as described, activations with known special cases."""

import pytest
import torch
from torch import nn

from underone.errors import UnknownName
from underone.fold import reparameterize
from underone.study.cases import Case
from underone.study.networks.activations import ACTIVATIONS, DynamicReLU, DynamicShiftMax
from underone.study.networks.build import build, make
from underone.study.networks.mobile_former import attend
from underone.study.networks.thirty_layers import DEPTHS, ThirtyLayers


def params(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "millions"),  # Zhou et al. (arXiv 2007.02269), with batch norms; the authors' page of Mobile-Former
    [("mobilenext_100", 3.5), ("mobilenext_140", 6.1), ("mobile_former_52m", 3.5), ("mobile_former_96m", 4.6)],
)
def test_parameters_are_those_that_the_authors_print(name, millions):
    assert round(params(make(Case(source=f"here:{name}"))) / 1e6, 1) == millions


@pytest.mark.parametrize("name", ["mobilenext_100", "mobile_former_52m"])
def test_a_picture_of_a_batch_is_answered_as_it_is_alone(name):
    torch.manual_seed(0)
    model = make(Case(source=f"here:{name}"))
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        both, alone = model(x), model(x[1:])
    assert both.shape == (2, 1000)
    torch.testing.assert_close(both[1:], alone, rtol=1e-4, atol=1e-5)


def test_attention_is_torch_s():
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 5, 12), torch.randn(2, 9, 12), torch.randn(2, 9, 12)
    split = (t.reshape(2, -1, 3, 4).transpose(1, 2) for t in (q, k, v))
    wanted = nn.functional.scaled_dot_product_attention(*split).transpose(1, 2).reshape(2, 5, 12)
    torch.testing.assert_close(attend(q, k, v, 3), wanted)


@pytest.mark.parametrize("activation", [DynamicReLU(8, shared=True), DynamicReLU(8, shared=False), DynamicShiftMax(8)])
def test_dynamic_activations_without_an_opinion_are_relu(activation):
    for layer in activation.modules():
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
    x = torch.randn(2, 8, 5, 5)
    torch.testing.assert_close(activation(x), x.relu())


def test_shift_max_mixes_a_channel_with_the_one_half_of_them_away():
    activation = DynamicShiftMax(4)
    nn.init.zeros_(activation.weights[2].weight)
    with torch.no_grad():
        activation.weights[2].bias.copy_(torch.tensor([0.0] * 4 + [30.0] * 4 + [0.0] * 8))  # b = 1, others 0
    x = torch.rand(1, 4, 3, 3)
    torch.testing.assert_close(activation(x), x + x[:, [2, 3, 0, 1]])


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_network_has_as_many_convolutions_as_it_says(depth):
    model = ThirtyLayers(depth=depth)
    assert sum(isinstance(layer, nn.Conv2d) for layer in model.modules()) == depth


def test_branches_fold_into_the_plain_network():
    plain = reparameterize(ThirtyLayers().eval())
    for k in (1, 4):
        branched = ThirtyLayers(branches=k).eval()
        folded = reparameterize(branched)
        assert folded.certificate.passed
        assert params(folded) == params(plain) < params(branched)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_has_its_network(name):
    layers = make(Case(source=f"layers:{name}")).layers
    assert len(layers) == 30


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("moon:a", "unknown source of networks 'moon'"),
        ("here:mobilenext", "unknown network of the studies 'mobilenext'"),
        ("layers:relu7", "unknown network of 30 layers 'relu7'"),
        ("timm:mobilenetv9", "unknown network of timm 'mobilenetv9'"),
        ("torchvision:shuffle", "unknown network of torchvision 'shuffle'"),
    ],
)
def test_an_unknown_network_is_named(source, text):
    with pytest.raises(UnknownName, match=text):
        make(Case(source=source))


def test_a_trained_file_that_nobody_pinned_is_an_unknown_name(tmp_path):
    with pytest.raises(UnknownName, match="unknown trained file 'mobilenet_v9"):
        build(Case(source="converted:mobilenet_v9"), tmp_path)


@pytest.mark.parametrize("package", ["timm", "torchvision"])
def test_a_missing_package_is_named(package, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ImportError, match=f"the network x needs the package {package}"):
        make(Case(source=f"{package}:x"))
