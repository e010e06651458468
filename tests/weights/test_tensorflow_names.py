"""TensorFlow's names: the same network in every form that its programs write, and what is left out of it."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from underone.compare import difference
from underone.errors import WeightsMismatch
from underone.weights import read_checkpoint
from underone.zoo import create_model

GOLDEN = Path(__file__).parents[1] / "golden"
PARTS = ("gamma", "beta", "moving_mean", "moving_variance")


@pytest.fixture(params=[("mobilenet_v1_025", "MobilenetV1"), ("mobilenet_v2_035", "MobilenetV2")], ids=["v1", "v2"])
def slim(request, randomize_statistics):
    """Return (our model, the arrays of its checkpoint under TensorFlow's names and in its layout)."""
    name, family = request.param
    model = randomize_statistics(create_model(name, num_classes=9, padding="tf_same", bn_eps=1e-3)).eval()
    return model, checkpoint_of(model, family)


def checkpoint_of(model, family):
    state = {n: t.numpy() for n, t in model.state_dict().items() if "num_batches" not in n}
    return {slim_name(n, family): to_tensorflow(n, a) for n, a in state.items()}


def slim_name(ours, family):
    """Name one of our tensors as slim's code does; written without our key map."""
    *block, layer, tensor = ours.removeprefix("backbone.").split(".")
    if not block:
        return f"{family}/Logits/Conv2d_1c_1x1/{'weights' if tensor == 'weight' else 'biases'}"
    number = int(block[1]) if block[0] == "blocks" else None
    if number is None:
        scopes = {"MobilenetV1stem": "Conv2d_0", "MobilenetV2stem": "Conv", "MobilenetV2last": "Conv_1"}
        scope = scopes[family + block[0]]
    elif family == "MobilenetV1":
        scope = f"Conv2d_{number + 1}_{block[2]}"
    else:
        scope = f"expanded_conv{f'_{number}' if number else ''}/{block[2]}"
    norm = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    kernel = "depthwise_weights" if block[-1] == "depthwise" else "weights"
    return f"{family}/{scope}/{kernel if layer == 'conv' else f'BatchNorm/{norm[tensor]}'}"


def to_tensorflow(name, array):
    if name == "head.weight":
        return np.ascontiguousarray(array.T[None, None])
    if array.ndim != 4:
        return array
    return np.ascontiguousarray(array.transpose((2, 3, 0, 1) if "depthwise" in name else (2, 3, 1, 0)))


def answers(model, arrays, tmp_path):
    """Compare the model with what is read back from the arrays."""
    save_file(arrays, tmp_path / "w.safetensors")
    found = read_checkpoint(tmp_path / "w.safetensors").network
    read = create_model(found.model, weights=tmp_path / "w.safetensors").eval()
    image = torch.randn(1, 3, 65, 90)
    with torch.no_grad():
        return found, difference(read(image), model(image))[0]


def test_checkpoint_of_slim_gives_the_same_answer(slim, tmp_path):
    model, arrays = slim
    found, nmse = answers(model, arrays, tmp_path)
    assert nmse <= 1e-13
    assert (found.num_classes, found.notes) == (9, ())
    assert found.layout.source == "TensorFlow"


def test_what_training_leaves_is_left_out_and_named(slim, tmp_path):
    model, arrays = slim
    name = next(iter(arrays))
    more = {"global_step": np.zeros(1), f"{name}/RMSProp": np.zeros(3), f"{name}/RMSProp_1": np.zeros(3)}
    found, nmse = answers(model, arrays | more, tmp_path)
    assert nmse <= 1e-13
    (note,) = found.notes
    assert note.startswith("3 tensors are no part of mobilenet_v")
    assert "global_step" in note


def test_moving_averages_are_taken(slim, tmp_path):
    model, arrays = slim
    trained = {n: a for n, a in arrays.items() if "moving_" not in n}
    averaged = {f"{n}/ExponentialMovingAverage": a for n, a in trained.items()}
    found, nmse = answers(model, arrays | {n: a + 1 for n, a in trained.items()} | averaged, tmp_path)
    assert nmse <= 1e-13
    assert found.notes == (f"{len(trained)} weights are taken from their moving averages",)


def test_backbone_of_a_detector_is_found(slim, tmp_path):
    _, arrays = slim
    inside = {f"FeatureExtractor/{n}": a for n, a in arrays.items() if "Logits" not in n}
    save_file(inside | {"BoxPredictor_0/ClassPredictor/weights": np.zeros((1, 1, 3, 4))}, tmp_path / "w.safetensors")
    found = read_checkpoint(tmp_path / "w.safetensors").network
    assert found.num_classes is None
    assert len(create_model(found.model, weights=tmp_path / "w.safetensors", features_only=True).features) == 5


@pytest.mark.parametrize("scale_inside", [True, False])
def test_partly_folded_norms_give_the_same_answer(slim, tmp_path, scale_inside):
    model, arrays = slim
    folded = dict(arrays)
    scopes = [n.removesuffix("/BatchNorm/gamma") for n in arrays if n.endswith("gamma")][::2]  # every other norm
    for scope in scopes:
        gamma, beta, mean, variance = (folded.pop(f"{scope}/BatchNorm/{part}") for part in PARTS)
        scale = gamma / np.sqrt(variance + 1e-3)
        kernel = next(n for n in folded if n in (f"{scope}/weights", f"{scope}/depthwise_weights"))
        path = f"{scope.partition('/')[0]}/{scope}/BatchNorm/batchnorm"  # as the graph has it
        folded[f"{path}/sub"] = beta - mean * scale
        if scale_inside:
            folded[kernel] = folded[kernel] * (scale[:, None] if "depthwise" in kernel else scale)
        else:
            folded[f"{path}/mul"] = scale
    found, nmse = answers(model, folded, tmp_path)
    assert nmse <= 1e-10  # mean 0 and variance 1 - eps are rounded once more
    assert found.notes == (f"{len(scopes)} batch norms were folded in part or lack scale or shift: completed",)


def test_missing_tensor_is_named(slim, tmp_path):
    model, arrays = slim
    name = next(n for n in arrays if n.endswith(("_2/project/weights", "_2_pointwise/weights")))
    save_file({n: a for n, a in arrays.items() if n != name}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsMismatch, match=r"conv\.weight +file has none"):
        create_model(model.spec.name, weights=tmp_path / "w.safetensors")


def test_background_class_is_kept(tmp_path, randomize_statistics):
    model = randomize_statistics(create_model("mobilenet_v1_025", num_classes=1001, padding="tf_same", bn_eps=1e-3))
    save_file(checkpoint_of(model, "MobilenetV1"), tmp_path / "w.safetensors")
    spec = create_model("mobilenet_v1_025", weights=tmp_path / "w.safetensors").spec
    assert spec.labels[:2] == ("background", "tench")
    assert (len(spec.labels), spec.outputs[0].shape) == (1001, (None, 1001))
    assert (spec.input.preparation.mean, spec.input.preparation.std) == ((0.5,) * 3, (0.5,) * 3)


def test_checkpoint_that_tensorflow_wrote_gives_tensorflows_logits():
    """A network of no table: its channels are read from the checkpoint."""
    found = read_checkpoint(GOLDEN / "slim_checkpoint/model.ckpt-7")
    assert found.network.model == "mobilenet_v1_025"  # the nearest
    assert found.network.options == {"channels": (4, 6, 8, 8, 10, 10, 12, 12, 12, 12, 12, 12, 16, 16)}
    assert len(found.network.rows) == 137
    (note,) = found.network.notes
    assert note.startswith("2 tensors are no part of mobilenet_v1, left out: ")
    model = create_model("mobilenet_v1_025", weights=found).eval()
    image = runpy.run_path(str(GOLDEN / "make_named_networks.py"))["image"]().transpose(0, 3, 1, 2)  # (1, 3, 70, 97)
    logits = np.array(json.loads((GOLDEN / "slim_checkpoint/logits.json").read_text()))
    with torch.no_grad():
        nmse, peak = difference(model(torch.from_numpy(image.copy()))[0].numpy(), logits)
    assert nmse <= 1e-10
    assert peak <= 1e-4
