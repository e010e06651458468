"""A small network for each task."""

import numpy as np
import pytest

from underone.graph import Graph, Node, Value
from underone.spec import (
    IMAGENET_PREPARATION,
    AnchorGrid,
    DetectionSpec,
    InputSpec,
    ModelSpec,
    OutputSpec,
    Preparation,
    SegmentationSpec,
)

SIZE = 32
GRID = AnchorGrid(rows=4, columns=4, shapes=((0.3, 0.3), (0.5, 0.25)), step=(0.25, 0.25))
BOXES = DetectionSpec(anchors=(GRID,), code="yxhw", score_threshold=0.4, iou_threshold=0.3)
SQUEEZED = Preparation(resize="squeeze", range=(-1.0, 1.0), interpolation="bicubic")


@pytest.fixture
def small():
    """Return a function (task) -> Graph."""
    return _small


def _small(task):
    rng = np.random.default_rng(3)
    first = Node("Conv", ("image", "stem"), ("a",), {"strides": (8, 8)}, "a")
    constants = {"stem": rng.normal(0, 0.2, (8, 3, 8, 8))}
    outputs, nodes = _HEADS[task](rng, constants)
    how = IMAGENET_PREPARATION if task == "classify" else SQUEEZED
    extra = (
        {"detection": BOXES} if task == "detect" else {"segmentation": SegmentationSpec()} if task == "segment" else {}
    )
    labels = ("cat", "dog", "owl") if task != "detect" else ("cat", "dog")
    spec = ModelSpec(
        name=f"small {task}", task=task, inputs=(InputSpec(shape=(None, 3, SIZE, SIZE), preparation=how),),
        outputs=outputs, labels=labels, licence="MIT", **extra,
    )  # fmt: skip
    values = tuple(Value(output.name, output.shape) for output in outputs)
    arrays = {name: value.astype(np.float32) for name, value in constants.items()}
    return Graph((first, *nodes), (Value("image", (None, 3, SIZE, SIZE)),), values, arrays, spec)


def _classify(rng, constants):
    constants |= {"fc": rng.normal(0, 1, (3, 8)), "bias": rng.normal(0, 1, 3)}
    nodes = (
        Node("GlobalAveragePool", ("a",), ("b",), {}, "b"),
        Node("Flatten", ("b",), ("c",), {}, "c"),
        Node("Gemm", ("c", "fc", "bias"), ("logits",), {"transB": 1}, "logits"),
    )
    return (OutputSpec(name="logits", shape=(None, 3), meaning="logits"),), nodes


def _detect(rng, constants):
    constants |= {"codes": rng.normal(0, 0.3, (8, 8, 1, 1)), "kinds": rng.normal(0, 1, (6, 8, 1, 1))}
    nodes = []
    for name, width in (("codes", 4), ("kinds", 3)):
        nodes += [
            Node("Conv", ("a", name), (f"{name}/1",), {}, f"{name}/1"),
            Node("Transpose", (f"{name}/1",), (f"{name}/2",), {"perm": (0, 2, 3, 1)}, f"{name}/2"),
            Node("Reshape", (f"{name}/2",), (f"out/{name}",), {"shape": (-1, 32, width)}, f"out/{name}"),
        ]
    outputs = (
        OutputSpec(name="out/kinds", shape=(None, 32, 3), meaning="logits"),
        OutputSpec(name="out/codes", shape=(None, 32, 4), meaning="box_codes"),
    )
    return outputs, nodes


def _segment(rng, constants):
    constants |= {"kinds": rng.normal(0, 1, (3, 8, 1, 1))}
    return (OutputSpec(name="logits", shape=(None, 3, 4, 4), meaning="logits"),), (
        Node("Conv", ("a", "kinds"), ("logits",), {}, "logits"),
    )


_HEADS = {"classify": _classify, "detect": _detect, "segment": _segment}
