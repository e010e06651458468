"""A small network with what makes quantising hard, and pictures for it."""

import numpy as np
import pytest

from underone.graph import Graph, Node, Value
from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec

SIDE, CLASSES = 32, 5


def conv(rng, name, source, inputs, outputs, kernel=1, group=1, stride=1, clip=None):
    """Return the nodes of a convolution with its limit, and its constants."""
    pad = kernel // 2
    weight = rng.normal(0, (inputs // group * kernel**2) ** -0.5, (outputs, inputs // group, kernel, kernel))
    attrs = {"strides": (stride,) * 2, "pads": (pad,) * 4, "dilations": (1, 1), "group": group}
    nodes = [Node("Conv", (source, f"{name}.weight", f"{name}.bias"), (f"{name}/sum",), attrs, name)]
    if clip is not None:
        limit = Node("Relu", (f"{name}/sum",), (name,)) if clip == np.inf else None
        nodes.append(limit or Node("Clip", (f"{name}/sum",), (name,), {"min": 0.0, "max": clip}))
    constants = {f"{name}.weight": weight.astype(np.float32), f"{name}.bias": rng.normal(0, 0.2, outputs).astype("f4")}
    return nodes, constants


@pytest.fixture(scope="session")
def make_network():
    """Return a function (seed, clip, spread) -> Graph: stem, inverted residual with an addition, pool, classifier.

    `spread` is how many octaves the channels of the expanded maps lie apart: hard to store in one range.
    """

    def make(seed=0, clip=6.0, spread=0.0):
        rng = np.random.default_rng(seed)
        parts = [
            conv(rng, "stem", "image", 3, 8, 3, stride=2),
            conv(rng, "expand", "stem/sum", 8, 24, clip=clip),
            conv(rng, "depthwise", "expand", 24, 24, 3, group=24, clip=clip),
            conv(rng, "project", "depthwise", 24, 8),
        ]
        nodes = [node for made, _ in parts for node in made]
        constants = {name: array for _, made in parts for name, array in made.items()}
        factors = 2.0 ** rng.uniform(-spread, 0, 24).astype(np.float32)
        constants["expand.weight"] = constants["expand.weight"] * factors[:, None, None, None]
        constants["expand.bias"] = constants["expand.bias"] * factors
        constants["depthwise.weight"] = constants["depthwise.weight"] / factors[:, None, None, None]
        nodes += [
            Node("Add", ("stem/sum", "project/sum"), ("sum",)),
            Node("GlobalAveragePool", ("sum",), ("pooled",)),
            Node("Flatten", ("pooled",), ("flat",)),
            Node("Gemm", ("flat", "head.weight", "head.bias"), ("logits",), {"transB": 1}, "head"),
        ]
        constants["head.weight"] = rng.normal(0, 1, (CLASSES, 8)).astype(np.float32)
        constants["head.bias"] = rng.normal(0, 0.1, CLASSES).astype(np.float32)
        image = InputSpec(name="image", shape=(None, 3, SIDE, SIDE), preparation=IMAGENET_PREPARATION)
        spec = ModelSpec(name="small", task="classify", inputs=(image,), labels=tuple("abcde"))
        outputs = (Value("logits", (None, CLASSES)),)
        return Graph(tuple(nodes), (Value("image", (None, 3, SIDE, SIDE)),), outputs, constants, spec)

    return make


@pytest.fixture(scope="session")
def pictures():
    """Return 24 pictures, smooth as photographs are: uint8 (H, W, 3)."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (24, 5, 5, 3))
    return [np.kron(c, np.ones((9, 9, 1))).astype(np.uint8) for c in coarse]


@pytest.fixture(scope="session")
def folder(pictures, tmp_path_factory):
    """Return a folder with the pictures, in folders of classes."""
    from PIL import Image

    root = tmp_path_factory.mktemp("pictures")
    for i, picture in enumerate(pictures):
        (root / str(i % 3)).mkdir(exist_ok=True)
        Image.fromarray(picture).save(root / str(i % 3) / f"{i}.png")
    return root
