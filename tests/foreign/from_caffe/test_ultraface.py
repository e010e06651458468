"""UltraFace, one network in three formats: the same faces from .pth, .onnx and .caffemodel on photographs.

The boxes of the Caffe file are offsets to priors, those of the ONNX file are corners. The .pth holds no network: its
weights, batch norms folded, are put into the network of the Caffe file.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from underone.errors import FetchFailed
from underone.files import fetch
from underone.foreign.from_caffe import read_caffe
from underone.graph import to_onnx
from underone.runtime import load
from underone.weights import REAL_FILES
from underone.weights.face_photographs import FACE_PHOTOGRAPHS
from underone.weights.from_torch_file import read_torch_file

NAMES = ("rfb", "slim")


def got(pin):
    try:
        return fetch(pin)
    except FetchFailed as error:
        pytest.skip(str(error))


def photograph(index):
    """Give a sample photograph of @vladmandic/face-api as the network takes it: RGB, (x - 127) / 128."""
    with Image.open(got(FACE_PHOTOGRAPHS[index].file)) as image:
        pixels = np.asarray(image.convert("RGB").resize((320, 240), Image.Resampling.BILINEAR), np.float32)
    return np.ascontiguousarray(((pixels - 127) / 128).transpose(2, 0, 1)[None])


def priors():
    """Give (4420, 4) centre x, centre y, width, height of the square boxes, in shares of the picture."""
    found = []
    for (columns, rows), sizes in zip(((40, 30), (20, 15), (10, 8), (5, 4)),
                                      ((10, 16, 24), (32, 48), (64, 96), (128, 192, 256)), strict=True):  # fmt: skip
        for y, x, size in product(range(rows), range(columns), sizes):
            found.append(((x + 0.5) / columns, (y + 0.5) / rows, size / 320, size / 240))
    return np.clip(np.asarray(found), 0, 1)


def corners(offsets):
    """Decode offsets with the variances 0.1 and 0.2 to x1 y1 x2 y2."""
    p = priors()
    centre, size = p[:, :2] + offsets[:, :2] * 0.1 * p[:, 2:], p[:, 2:] * np.exp(offsets[:, 2:] * 0.2)
    return np.concatenate([centre - size / 2, centre + size / 2], 1)


def faces(boxes, scores):
    """Give the boxes that score 0.7, the best first, none of which covers another by 0.3."""
    order = [i for i in np.argsort(-scores[:, 1]) if scores[i, 1] > 0.7]
    kept = []
    for i in order:
        if all(overlap(boxes[i], boxes[k]) < 0.3 for k in kept):
            kept.append(i)
    return boxes[kept], scores[kept, 1]


def overlap(a, b):
    inside = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    return inside / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inside)


def folded(tensors):
    """Give (weight, bias) of each convolution of a state dict, the batch norm behind it folded (eps 1e-5)."""
    found, names = [], list(tensors)
    for i, name in enumerate(names):
        weight = tensors[name]
        if weight.ndim != 4:
            continue
        owner = name.removesuffix("weight")
        norm = names[i + 1].removesuffix("weight") if i + 1 < len(names) else ""
        if f"{norm}running_mean" in tensors and f"{owner}bias" not in tensors:
            factor = tensors[f"{norm}weight"] / np.sqrt(tensors[f"{norm}running_var"].astype(np.float64) + 1e-5)
            bias = tensors[f"{norm}bias"] - tensors[f"{norm}running_mean"] * factor
            found.append((weight * factor[:, None, None, None], bias))
        else:
            found.append((weight, tensors[f"{owner}bias"]))
    return found


def with_weights(graph, pairs):
    """Put each pair in the place of the convolution whose weight it is, within float rounding."""
    constants, left = dict(graph.constants), list(pairs)
    for node in graph.nodes:
        if node.op == "Conv":
            weight = constants[node.inputs[1]]
            fits = [k for k, (w, _) in enumerate(left) if w.shape == weight.shape and np.abs(w - weight).max() < 1e-5]
            assert len(fits) == 1, node.name
            for name, value in zip(node.inputs[1:], left.pop(fits[0]), strict=True):
                constants[name] = np.asarray(value, np.float32)
    assert not left
    return replace(graph, constants=constants)


def engine(graph, path):
    """Load a graph into our own engine."""
    path.write_bytes(to_onnx(graph))
    return load(path, backend="native")


@pytest.mark.parametrize("net", NAMES)
def test_three_formats_find_the_same_faces(net, tmp_path):
    pins = {kind: got(REAL_FILES[f"ultraface_{net}_{kind}"]) for kind in ("caffemodel", "prototxt", "pth", "onnx")}
    caffe = read_caffe(pins["caffemodel"], pins["prototxt"]).graph()
    torch = with_weights(caffe, folded(read_torch_file(pins["pth"])))
    assert any(not np.array_equal(torch.constants[n], c) for n, c in caffe.constants.items())
    onnx = onnxruntime.InferenceSession(pins["onnx"], providers=["CPUExecutionProvider"])
    engines = [engine(graph, tmp_path / f"{i}.onnx") for i, graph in enumerate((caffe, torch))]
    for index, (_, count) in enumerate(FACE_PHOTOGRAPHS):
        x = photograph(index)
        scores, boxes = (a[0] for a in onnx.run(["scores", "boxes"], {"input": x}))
        boxes, scores = faces(boxes, scores)
        assert len(boxes) == count
        for each in engines:
            found = each.run(x)
            own_boxes, own_scores = faces(corners(found["boxes"][0]), found["scores"][0])
            np.testing.assert_allclose(own_boxes, boxes, atol=1e-4)  # shares of the picture: a thirtieth of a pixel
            np.testing.assert_allclose(own_scores, scores, atol=1e-4)
