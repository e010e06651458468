"""A padding rule goes with the network into the file, and to odd sizes, where the rules differ most."""

import numpy as np
import pytest
import torch

import underone as uo
from underone.compare import difference
from underone.errors import Unsupported


@pytest.fixture(params=["mobilenet_v1_025", "mobilenet_v2_035"])
def by_rule(request, randomize_statistics):
    """Return (padding → the folded network), all with the same weights."""
    networks = {}
    for padding in ("symmetric", "tf_same", "keras"):
        networks[padding] = uo.create_model(request.param, padding=padding, bn_eps=1e-3, num_classes=7)
        networks[padding].load_state_dict(next(iter(networks.values())).state_dict())
    randomize_statistics(networks["symmetric"])
    for network in networks.values():
        network.load_state_dict(networks["symmetric"].state_dict())
    return {padding: uo.reparameterize(network) for padding, network in networks.items()}


def test_written_network_pads_by_its_rule(by_rule, tmp_path):
    image = np.random.default_rng(0).standard_normal((1, 3, 75, 102)).astype(np.float32)
    answers = {}
    for padding, network in by_rule.items():
        uo.export(network, tmp_path / "net.onnx", size=(75, 102))
        with uo.load(tmp_path / "net.onnx") as net, torch.no_grad():
            assert net.spec.padding == padding
            (answers[padding],) = net.run(image).values()
            assert difference(answers[padding], network(torch.from_numpy(image)).numpy())[0] <= 1e-9
    for rule, other in (("symmetric", "tf_same"), ("symmetric", "keras"), ("tf_same", "keras")):
        assert difference(answers[rule], answers[other])[0] > 1e-6  # another rule would be noticed


@pytest.mark.parametrize("padding", ["tf_same", "keras"])
def test_rule_that_depends_on_the_size_needs_one(tmp_path, padding):
    network = uo.create_model("mobilenet_v1_025", padding=padding)
    with pytest.raises(Unsupported, match=f"any size: its padding, '{padding}', is another one .* give a height and a"):
        uo.export(network, tmp_path / "net.onnx", size=(None, 64))
