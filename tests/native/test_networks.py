"""Whole networks through plain steps alone: what stands between the fast ones is right by itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm
import torch

from underone import _native as native
from underone import settings
from underone.compare import difference
from underone.graph import read_onnx, run_reference, to_onnx
from underone.trace import trace


def check(graph: Any, run_plain: Callable[..., dict[str, Any]]) -> None:
    rng = np.random.default_rng(0)
    inputs = {v.name: rng.standard_normal([d or 1 for d in v.shape]).astype(np.float32) for v in graph.inputs}
    want = run_reference(graph, inputs)
    for isa in set(native.isas()) - {"amx"}:
        got = run_plain(graph, inputs, isa)
        for name in want:
            assert difference(got[name], want[name])[0] <= 1e-10


@pytest.mark.parametrize("name", ["RFB", "slim"])
def test_published_face_detector_is_the_reference(name: str, run_plain: Callable[..., dict[str, Any]]) -> None:
    folder = settings.assets_dir()
    if folder is None:
        pytest.skip("UNDERONE_ASSETS is not set")
    check(read_onnx(folder / "weights" / "ultraface" / f"version-{name}-320.onnx"), run_plain)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("mobilenetv3_small_100", 96),
        pytest.param("efficientnet_b0", 160, marks=pytest.mark.slow),
        pytest.param("mobilenetv3_large_100", 224, marks=pytest.mark.slow),
        pytest.param("mobilevit_xxs", 256, marks=pytest.mark.slow),
    ],
)
def test_network_of_many_operators_is_the_reference(
    name: str, size: int, run_plain: Callable[..., dict[str, Any]], randomize_statistics: Callable[..., torch.nn.Module]
) -> None:
    net = randomize_statistics(timm.create_model(name)).eval()
    check(read_onnx(to_onnx(trace(net, input_shape=(1, 3, size, size)))), run_plain)
