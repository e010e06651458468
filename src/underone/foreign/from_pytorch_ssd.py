"""The detectors of qfgaohao/pytorch-ssd, mb1-ssd and mb2-ssd-lite: weights by name, the network by its published code.

Source: vision/ssd/mobilenetv1_ssd.py, mobilenet_v2_ssd_lite.py, ssd.py and config/mobilenetv1_ssd_config.py of that
repository.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ..boxes.families import SSD300_MAPS, prior_boxes
from ..errors import WeightsMismatch
from ..graph import Array
from ..graph.passes import fold_batch_norm
from ..spec import VOC_CLASSES, AnchorGrid, DetectionSpec, Preparation
from .builder import Builder
from .detector import as_detector
from .foreign_file import Network

_SIZE = 300  # pixels
_SHRINKAGE = (16, 32, 64, 100, 150, 300)  # pixels between the centres of anchors
_LEAST, _MOST = (60, 105, 150, 195, 240, 285), (105, 150, 195, 240, 285, 330)  # sides of the squares, in pixels
_RATIOS = (2.0, 1 / 2, 3.0, 1 / 3)
_PER_CELL = 2 + len(_RATIOS)

_V1_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
_V2_STRIDES = (1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)
_FIRST, _LAST = "base_net.0.0.weight", "classification_headers.5"


class _Kind(NamedTuple):
    """A network: the tensor that only it has, and what gives its six maps."""

    name: str
    marker: str
    maps: Callable[["_Layers"], list[str]]


class _Layers:
    """Convolutions under the names of a state dict, written one behind the other."""

    def __init__(self, builder: Builder, tensors: Mapping[str, Array], activation: str) -> None:
        self.builder = builder
        self.left = dict(tensors)
        self.activation = activation

    def take(self, name: str, rank: int) -> Array:
        """Give a tensor, once.

        Raises:
            WeightsMismatch: it is missing, or has another number of axes.
        """
        array = self.left.pop(name, None)
        if array is None or array.ndim != rank:
            given = "is missing" if array is None else f"has shape {array.shape}"
            raise WeightsMismatch(f"{self.builder.where}: tensor {name!r} {given}; {rank} axes are required")
        return np.asarray(array, np.float32)

    def conv(self, x: str, name: str, norm: str = "", stride: int = 1, active: bool = True) -> str:
        """Add a convolution with its bias, if it has one, its batch norm, if it is named, and the activation."""
        weight = self.take(f"{name}.weight", 4)
        operands = [x, self.builder.constant(f"{name}.weight", weight)]
        if f"{name}.bias" in self.left:
            operands.append(self.builder.constant(f"{name}.bias", self.take(f"{name}.bias", 1)))
        group = len(weight) if weight.shape[1] == 1 else 1  # all of one input channel are depthwise
        pads = tuple(side // 2 for side in weight.shape[2:]) * 2
        y = self.builder.add("Conv", operands, name, strides=(stride, stride), pads=pads, group=group)
        if norm:
            parts = [f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
            named = [self.builder.constant(part, self.take(part, 1)) for part in parts]
            y = self.builder.add("BatchNormalization", [y, *named], norm, epsilon=1e-5)
        if not active:
            return y
        if self.activation == "Relu":
            return self.builder.add("Relu", [y], f"{name}/active")
        return self.builder.add("Clip", [y], f"{name}/active", min=0.0, max=6.0)


def _v1_maps(layers: _Layers) -> list[str]:
    x = layers.conv("image", "base_net.0.0", "base_net.0.1", 2)
    maps = []
    for i, stride in enumerate(_V1_STRIDES, start=1):
        x = layers.conv(x, f"base_net.{i}.0", f"base_net.{i}.1", stride)
        x = layers.conv(x, f"base_net.{i}.3", f"base_net.{i}.4")
        maps += [x] * (i in (11, 13))
    for i in range(4):
        x = layers.conv(layers.conv(x, f"extras.{i}.0"), f"extras.{i}.2", stride=2)
        maps.append(x)
    return maps


def _v2_maps(layers: _Layers) -> list[str]:
    x = layers.conv("image", "base_net.0.0", "base_net.0.1", 2)
    x = layers.conv(x, "base_net.1.conv.0", "base_net.1.conv.1")
    x = layers.conv(x, "base_net.1.conv.3", "base_net.1.conv.4", active=False)
    maps = []
    for i, stride in enumerate(_V2_STRIDES[1:], start=2):
        wide, x = _inverted(layers, x, f"base_net.{i}.conv", stride)
        maps += [wide] * (i == 14)
    x = layers.conv(x, "base_net.18.0", "base_net.18.1")
    maps.append(x)
    for i in range(4):
        _, x = _inverted(layers, x, f"extras.{i}.conv", 2)
        maps.append(x)
    return maps


def _inverted(layers: _Layers, x: str, name: str, stride: int) -> tuple[str, str]:
    """Add an inverted residual; give its widened map and its output."""
    wide = layers.conv(x, f"{name}.0", f"{name}.1")
    filtered = layers.conv(wide, f"{name}.3", f"{name}.4", stride)
    y = layers.conv(filtered, f"{name}.6", f"{name}.7", active=False)
    same = stride == 1 and layers.builder.shape(x) == layers.builder.shape(y)
    return wide, layers.builder.add("Add", [x, y], name) if same else y


_KINDS = (
    _Kind("mb1-ssd", "base_net.13.3.weight", _v1_maps),
    _Kind("mb2-ssd-lite", "base_net.17.conv.6.weight", _v2_maps),
)


def read_pytorch_ssd(tensors: Mapping[str, Array], where: str) -> Network | None:
    """Make the network of a state dict of mb1-ssd or mb2-ssd-lite.

    Args:
        tensors: of the file.
        where: the file's name.

    Returns:
        The network up to its heads, a picture (N, 3, 300, 300) in, with a full spec; None where the names are others.

    Raises:
        WeightsMismatch: tensors are missing, left over, or of another shape.
        BadFile: their sizes do not fit one another.
    """
    kind = next((kind for kind in _KINDS if {kind.marker, _FIRST} <= tensors.keys()), None)
    if kind is None:
        return None
    builder = Builder(where)
    builder.input("image", (None, 3, _SIZE, _SIZE))
    parts = {n: a for n, a in tensors.items() if not n.endswith("num_batches_tracked")}
    layers = _Layers(builder, parts, "Relu" if kind.name == "mb1-ssd" else "Clip")
    maps = kind.maps(layers)
    boxes = _rows(layers, maps, "regression_headers", 4)
    last = next((a for n, a in parts.items() if n.startswith(_LAST) and n.endswith("bias")), np.zeros(0))
    classes = last.size // _PER_CELL
    if classes < 2:
        raise WeightsMismatch(f"{where}: {_LAST} gives {last.size} numbers; {_PER_CELL} for each of 2 classes at least")
    scores = _rows(layers, maps, "classification_headers", classes)
    if layers.left:
        raise WeightsMismatch(f"{where}: {kind.name} has no tensors {sorted(layers.left)[:8]}; leave them out")
    builder.output("box_codes", boxes)
    builder.output("logits", scores)
    how = Preparation(resize="squeeze", range=(0.0, 255.0), mean=(127.0,) * 3, std=(128.0,) * 3)
    graph = fold_batch_norm(builder.finish(kind.name, VOC_CLASSES[1:] if classes == len(VOC_CLASSES) else None, how))
    note = f"anchors, thresholds and preparation are those of {kind.name}'s published configuration"
    return as_detector(Network(graph), ("box_codes", "box_codes"), ("logits", "logits"), _detection(), (note,))


def _rows(layers: _Layers, maps: list[str], heads: str, length: int) -> str:
    """Give one row of a head's numbers for each anchor of all maps: (N, anchors, length)."""
    builder, rows = layers.builder, []
    for i, x in enumerate(maps):
        name = f"{heads}.{i}"
        if f"{name}.3.weight" in layers.left:  # depthwise before it
            x = layers.conv(x, f"{name}.0", f"{name}.1")
            name = f"{name}.3"
        y = layers.conv(x, name, active=False)
        last = builder.add("Transpose", [y], f"{name}/last", perm=(0, 2, 3, 1))
        rows.append(builder.add("Reshape", [last], f"{name}/rows", shape=(0, -1, length)))
    return builder.add("Concat", rows, heads, axis=1)


def _detection() -> DetectionSpec:
    grids: list[AnchorGrid] = []
    for size, shrinkage, least, most in zip(SSD300_MAPS, _SHRINKAGE, _LEAST, _MOST, strict=True):
        grid = prior_boxes(size, (_SIZE, _SIZE), (least,), (most,), _RATIOS, (shrinkage, shrinkage))
        shapes = tuple((min(w, 1.0), min(h, 1.0)) for w, h in grid.shapes)
        grids += _inside(grid.model_copy(update={"shapes": shapes}))
    return DetectionSpec(anchors=tuple(grids), iou_threshold=0.45, top_k=200, max_per_class=200, max_detections=200)


def _inside(grid: AnchorGrid) -> list[AnchorGrid]:
    """Move the centres that lie outside of the picture to its border: the last of a row or column, if any."""
    step = grid.step[0]
    if (grid.columns - 0.5) * step <= 1:
        return [grid]
    places = [(1, grid.columns - 1, 0.5), (1, 1, 1 / step)]
    return [
        grid.model_copy(update={"rows": rows, "columns": columns, "offset": (left, min(row + 0.5, 1 / step))})
        for row in range(grid.rows)
        for rows, columns, left in places
    ]
