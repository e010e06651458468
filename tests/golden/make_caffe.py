"""Write what the Caffe reader is tested on: python make_caffe.py [RES10.caffemodel RES10.prototxt ULTRAFACE… …].

Needs opencv-python-headless 4.x (version 5 reads no Caffe) and numpy. Caffe's own files are written here, in the wire
format of protocol buffers; OpenCV reads and runs them.

`caffe_layers.npz`: one small network for each case of a layer: text, weights, inputs and OpenCV's output.
`caffe_old.caffemodel`, `.prototxt`: a network in the old notation (`layers`, blobs with num, channels, height, width).
`caffe_answers.npz`: what OpenCV gives for the real files named on the command line.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

FOLDER = Path(__file__).parent / "foreign"
RNG = np.random.default_rng(11)
MAP = (2, 4, 7, 8)  # even and odd sides


def noise(*shape: int) -> np.ndarray:
    """Give numbers around 0 with few digits, so that they pack well."""
    return np.round(RNG.normal(0, 1, shape), 2).astype(np.float32)


def positive(*shape: int) -> np.ndarray:
    """Give numbers above 0.3."""
    return np.abs(noise(*shape)) + np.float32(0.3)


def varint(value: int) -> bytes:
    """Encode a number."""
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, value: bytes | str | int) -> bytes:
    """Encode a field: a number, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def blob(array: np.ndarray, old: bool = False) -> bytes:
    """Encode an array, with the four sizes of the old notation or with a shape."""
    data = field(5, array.astype("<f4").tobytes())
    if old:
        sizes = (1,) * (4 - array.ndim) + array.shape
        return b"".join(field(i + 1, s) for i, s in enumerate(sizes)) + data
    return data + field(7, field(1, b"".join(map(varint, array.shape))))


def caffemodel(layers: Sequence[tuple[str, str, Sequence[np.ndarray]]]) -> bytes:
    """Encode a network of (name, class, arrays)."""
    return b"".join(
        field(100, field(1, name) + field(2, kind) + b"".join(field(7, blob(a)) for a in arrays))
        for name, kind, arrays in layers
    )


def old_caffemodel(layers: Sequence[tuple[str, int, Sequence[np.ndarray]]]) -> bytes:
    """Encode a network of (name, number of the class, arrays) in the old notation."""
    return b"".join(
        field(2, field(4, name) + field(5, kind) + b"".join(field(6, blob(a, old=True)) for a in arrays))
        for name, kind, arrays in layers
    )


def one(kind: str, param: str = "", *arrays: np.ndarray, bottoms: str = "x", tops: str = "y") -> tuple:
    """Describe a network of one layer named "it"."""
    ends = "".join(f' bottom: "{b}"' for b in bottoms) + "".join(f' top: "{t}"' for t in tops)
    return f'layer {{ name: "it" type: "{kind}"{ends} {param} }}', [("it", kind, arrays)] if arrays else []


NORM = 'layer {{ name: "norm" type: "BatchNorm" bottom: "x" top: "y" {0} }}'
SCALE = 'layer { name: "scale" type: "Scale" bottom: "y" top: "y" scale_param { bias_term: true } }'
PRIORS = """prior_box_param { min_size: 3 min_size: 5 max_size: 5 max_size: 7 aspect_ratio: 2 aspect_ratio: 3 flip: %s
clip: %s variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 %s offset: 0.5 }"""

CASES = {
    "convolution": one("Convolution", "convolution_param { num_output: 5 kernel_size: 3 pad: 1 stride: 2 }",
                       noise(5, 4, 3, 3), noise(5)),
    "convolution_sides": one(
        "Convolution", "convolution_param { num_output: 3 bias_term: false kernel_h: 3 kernel_w: 1 pad_h: 1 pad_w: 0 "
        "stride_h: 1 stride_w: 2 }", noise(3, 4, 3, 1)),
    "convolution_groups": one("Convolution",
                              "convolution_param { num_output: 6 kernel_size: 3 group: 2 dilation: 2 pad: 2 }",
                              noise(6, 2, 3, 3), noise(6)),
    "depthwise": one("Convolution", "convolution_param { num_output: 4 kernel_size: 3 group: 4 engine: CAFFE }",
                     noise(4, 1, 3, 3), noise(4)),
    "deconvolution": one("Deconvolution", "convolution_param { num_output: 3 kernel_size: 4 stride: 2 pad: 1 }",
                         noise(4, 3, 4, 4), noise(3)),
    "max_pool": one("Pooling", "pooling_param { pool: MAX kernel_size: 3 stride: 2 }"),
    "max_pool_pad": one("Pooling", "pooling_param { pool: MAX kernel_size: 2 stride: 2 pad: 1 }"),
    "average_pool": one("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }"),
    "average_pool_sides": one("Pooling", "pooling_param { pool: AVE kernel_h: 2 kernel_w: 3 stride_h: 1 stride_w: 2 }"),
    "global_pool": one("Pooling", "pooling_param { pool: AVE global_pooling: true }"),
    "global_max_pool": one("Pooling", "pooling_param { pool: MAX global_pooling: true }"),
    "inner_product": one("InnerProduct", "inner_product_param { num_output: 3 }", noise(3, 224), noise(3)),
    "batch_norm": (NORM.format(""), [("norm", "BatchNorm", [noise(4), positive(4), np.float32([2.5])])]),
    "batch_norm_zero": (NORM.format("batch_norm_param { eps: 0.01 }"),
                        [("norm", "BatchNorm", [noise(4), positive(4), np.float32([0])])]),
    "batch_norm_scale": (NORM.format("") + SCALE, [("norm", "BatchNorm", [noise(4), positive(4), np.float32([0.5])]),
                                                   ("scale", "Scale", [noise(4), noise(4)])]),
    "scale": one("Scale", "scale_param { bias_term: true }", noise(4), noise(4)),
    "scale_plain": one("Scale", "", noise(4)),
    "relu": one("ReLU"),
    "relu_slope": one("ReLU", "relu_param { negative_slope: 0.2 }"),
    "prelu": one("PReLU", "", noise(4)),
    "prelu_shared": one("PReLU", "prelu_param { channel_shared: true }", noise(1)),
    "elu": one("ELU", "elu_param { alpha: 0.5 }"),
    "sigmoid": one("Sigmoid"),
    "tanh": one("TanH"),
    "abs": one("AbsVal"),
    "bnll": one("BNLL"),
    "power": one("Power", "power_param { power: 2 scale: 0.5 shift: 1.5 }"),
    "power_line": one("Power", "power_param { scale: 0.017 }"),
    "exp": one("Exp", "exp_param { base: 2 scale: 0.5 shift: 0.25 }"),
    "eltwise_sum": one("Eltwise", "eltwise_param { operation: SUM coeff: 1 coeff: -0.5 }", bottoms="xz"),
    "eltwise_product": one("Eltwise", "eltwise_param { operation: PROD }", bottoms="xz"),
    "eltwise_max": one("Eltwise", "eltwise_param { operation: MAX }", bottoms="xz"),
    "concat": one("Concat", "", bottoms="xz"),
    "concat_rows": one("Concat", "concat_param { axis: 2 }", bottoms="xz"),
    "slice": one("Slice", "slice_param { axis: 1 slice_point: 1 slice_point: 3 }", tops="abc"),
    "softmax": one("Softmax"),
    "softmax_last": one("Softmax", "softmax_param { axis: 3 }"),
    "flatten": one("Flatten"),
    "flatten_some": one("Flatten", "flatten_param { axis: 1 end_axis: 2 }"),
    "reshape": one("Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 2 } }"),
    "reshape_axis": one("Reshape", "reshape_param { shape { dim: 2 dim: -1 } axis: 2 }"),
    "permute": one("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
    "normalize": one("Normalize", "norm_param { across_spatial: false channel_shared: false }", noise(4)),
    "normalize_all": one("Normalize", "norm_param { across_spatial: true channel_shared: true }", noise(1)),
    "lrn": one("LRN", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 }"),
    "priors": one("PriorBox", PRIORS % ("true", "false", "step: 2"), bottoms="xw"),
    "priors_clipped": one("PriorBox", PRIORS % ("false", "true", ""), bottoms="xw"),
    "dropout": one("Dropout", "dropout_param { dropout_ratio: 0.3 }"),
    "crop": one("Crop", "crop_param { axis: 2 offset: 1 offset: 2 }", bottoms="xs"),
}  # fmt: skip
SHAPES = {"x": MAP, "z": MAP, "w": (2, 3, 15, 17), "s": (2, 4, 4, 5)}


def inputs_of(text: str) -> list[str]:
    """Give the inputs that a layer reads."""
    return [name for name in SHAPES if f'bottom: "{name}"' in text]


def head(names: Sequence[str]) -> str:
    """Write the inputs of a network."""
    return "".join(f'input: "{n}" input_shape {{ {" ".join(f"dim: {d}" for d in SHAPES[n])} }}\n' for n in names)


def answer(text: str, data: bytes, given: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Run a network in OpenCV; give all that its last layer writes."""
    net = cv2.dnn.readNetFromCaffe(np.frombuffer(text.encode(), np.uint8), np.frombuffer(data, np.uint8))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    for name, array in given.items():
        net.setInput(array, name)
    return list(net.forwardAndRetrieve(net.getUnconnectedOutLayersNames()[-1:])[0])


def write_cases() -> None:
    """Write caffe_layers.npz."""
    given = {name: noise(*shape) for name, shape in SHAPES.items()}
    texts, arrays = {}, {f"given/{n}": a for n, a in given.items()}
    for name, (text, layers) in CASES.items():
        names = inputs_of(text)
        texts[name] = head(names) + text
        data = caffemodel(layers or [("none", "Split", [])])
        outputs = [t for t in "yabc" if f'top: "{t}"' in text]
        arrays[f"{name}/weights"] = np.frombuffer(data, np.uint8)
        found = answer(texts[name], data, {n: given[n] for n in names})  # a pool gives its indices too
        for top, array in zip(outputs, found, strict=False):
            arrays[f"{name}/{top}"] = array
    arrays["texts"] = np.frombuffer(json.dumps(texts).encode(), np.uint8)
    np.savez_compressed(FOLDER / "caffe_layers.npz", **arrays)


OLD = """name: "old" input: "data" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 9
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 } blobs_lr: 1 weight_decay: 1 }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "pool" type: POOLING bottom: "conv" top: "pool" pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layers { name: "drop" type: DROPOUT bottom: "pool" top: "pool" dropout_param { dropout_ratio: 0.5 } }
layers { name: "fc" type: INNER_PRODUCT bottom: "pool" top: "fc" inner_product_param { num_output: 3 } }
layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" }
"""


def write_old() -> None:
    """Write a network in the old notation, and its answer."""
    layers = [("conv", 4, [noise(4, 3, 3, 3), noise(4)]), ("relu", 18, []), ("fc", 14, [noise(3, 16), noise(3)])]
    (FOLDER / "caffe_old.caffemodel").write_bytes(old_caffemodel(layers))
    (FOLDER / "caffe_old.prototxt").write_text(OLD)
    given = noise(1, 3, 9, 9)
    new = [(name, {4: "Convolution", 18: "ReLU", 14: "InnerProduct"}[kind], arrays) for name, kind, arrays in layers]
    found, *_ = answer(OLD, caffemodel(new), {"data": given})
    np.savez_compressed(FOLDER / "caffe_old.npz", data=given, prob=found)


def picture(height: int, width: int) -> np.ndarray:
    """Give a picture of waves in -1..1, channels first; the test makes the same one."""
    c, y, x = np.mgrid[0:3, 0:height, 0:width].astype(np.float64)
    waves = np.sin(x / 7 + c) * np.cos(y / 11 - c) + 0.5 * np.sin((x + 2 * y) / 5 + c * c)
    return (waves / 1.5).astype(np.float32)[None]


def write_answers(paths: Sequence[str]) -> None:
    """Write caffe_answers.npz: every 37th number of each output, so that the file stays small."""
    arrays = {}
    for model, text in zip(paths[::2], paths[1::2], strict=True):
        net = cv2.dnn.readNetFromCaffe(text, model)
        net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
        detector = "res10" in model
        net.setInput(picture(300, 300) * 120 if detector else picture(240, 320), "data" if detector else "input")
        outputs = ("mbox_loc", "mbox_conf_flatten", "mbox_priorbox") if detector else ("boxes", "scores")
        for name, found in zip(outputs, net.forward(list(outputs)), strict=True):
            arrays[f"{Path(model).stem}/{name}"] = found.ravel()[::37]
    np.savez_compressed(FOLDER / "caffe_answers.npz", **arrays)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    write_cases()
    write_old()
    if sys.argv[1:]:
        write_answers(sys.argv[1:])
