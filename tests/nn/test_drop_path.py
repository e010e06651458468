"""Blocks that are passed by in training, and only there."""

import pytest
import torch

from underone.errors import BadValue
from underone.fold import reparameterize
from underone.nn.drop_path import drop_path, set_drop_path
from underone.nn.inverted_residual import InvertedResidual
from underone.nn.statistics import randomize_statistics
from underone.zoo import create_model


def test_pictures_are_left_out_whole_and_the_mean_stays():
    torch.manual_seed(0)
    share = drop_path(torch.ones(4000, 2, 3, 1), 0.25).flatten(1)
    assert (share == share[:, :1]).all()  # of all channels and places of a picture
    assert share[:, 0].unique().tolist() == pytest.approx([0, 4 / 3])
    assert (share[:, 0] > 0).double().mean().item() == pytest.approx(0.75, abs=0.02)  # three standard deviations


def test_share_rises_linearly_over_the_blocks_with_a_skip():
    model = create_model("mobilenet_v2_035")
    set_drop_path(model, 0.2)
    blocks = [module for module in model.modules() if isinstance(module, InvertedResidual)]
    assert [block.drop_path for block in blocks if block.adds_input] == pytest.approx([0.02 * i for i in range(1, 11)])
    assert {block.drop_path for block in blocks if not block.adds_input} == {0.0}


def test_training_alone_passes_blocks_by():
    torch.manual_seed(0)
    model = create_model("mobilenet_v2_035", num_classes=3)
    randomize_statistics(model, torch.randn(4, 3, 32, 32))
    x = torch.randn(4, 3, 32, 32)
    plain = model.eval()(x)
    set_drop_path(model, 0.9)
    assert torch.equal(model(x), plain)
    torch.testing.assert_close(reparameterize(model)(x), plain, rtol=1e-4, atol=1e-5)
    model.train()
    model.dropout.p = 0.0
    assert not torch.allclose(model(x), model(x))


def test_network_without_skips_is_refused():
    with pytest.raises(BadValue, match=r"^drop_path=0\.1: no block of this network has a skip, as MobileNet V2's have"):
        set_drop_path(create_model("mobileone_s0", num_classes=3), 0.1)
