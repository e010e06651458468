"""Names, shapes and answers of the MobileNets of Keras and of Hugging Face transformers, as those libraries make them.

The weights are not stored: they follow from their names by `numbers`, which the tests use too. Run once for each
library with a Python that has it:

    python tests/golden/make_named_networks.py keras          # keras 3.15.1, tensorflow 2.21.0
    python tests/golden/make_named_networks.py transformers   # transformers 5.23.0, torch 2.14.1
"""

import json
import sys
import zlib
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "named_networks"
CLASSES = 7
SIZE = (70, 97)  # odd maps on the way, where the padding rules differ


def numbers(name, shape, fan_in):
    """Make the array of a name: the same on every machine, never 0 or 1 in a batch norm."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if "var" in name.rpartition("/")[2].rpartition(".")[2]:
        return rng.uniform(0.5, 2, shape).astype(np.float32)
    if name.endswith(("gamma", "normalization.weight")):
        return rng.uniform(0.7, 1.6, shape).astype(np.float32)
    scale = 0.2 if len(shape) == 1 else (2 / fan_in) ** 0.5
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def keras_fan_in(name, shape):
    """Count the inputs of one output of a kernel: HWIO, HWCM where the name says depthwise, or IO."""
    depthwise = "dw" in name or "depthwise" in name
    return int(np.prod(shape[:2] if depthwise else shape[:-1]))


def torch_fan_in(_, shape):
    """Count the inputs of one output of a kernel, OIHW or OI."""
    return int(np.prod(shape[1:]))


def image():
    """Make the input, (1, H, W, 3) in -1 to 1."""
    return np.random.default_rng(5).uniform(-1, 1, (1, *SIZE, 3)).astype(np.float32)


def from_keras():
    import keras

    options = {"weights": None, "classes": CLASSES, "input_shape": (*SIZE, 3), "classifier_activation": None}
    networks = {
        "mobilenet_v1_025": keras.applications.MobileNet(alpha=0.25, **options),
        "mobilenet_v2_035": keras.applications.MobileNetV2(alpha=0.35, **options),
        "mobilenet_v2_060": keras.applications.MobileNetV2(alpha=0.6, **options),  # of no table
    }
    for name, model in networks.items():
        shapes = {w.path: tuple(w.shape) for w in model.weights}
        model.set_weights([numbers(n, s, keras_fan_in(n, s)) for n, s in shapes.items()])
        yield name, shapes, model.predict(image(), verbose=0)[0]


def from_transformers():
    import torch
    import transformers as t

    networks = {
        "mobilenet_v1_025": t.MobileNetV1ForImageClassification(
            t.MobileNetV1Config(depth_multiplier=0.25, num_labels=CLASSES)
        ),
        "mobilenet_v2_035": t.MobileNetV2ForImageClassification(
            t.MobileNetV2Config(depth_multiplier=0.35, num_labels=CLASSES)
        ),
        "deeplabv3light_mobilenet_v2_035": t.MobileNetV2ForSemanticSegmentation(
            t.MobileNetV2Config(depth_multiplier=0.35, num_labels=CLASSES, output_stride=8)
        ),
    }
    for name, model in networks.items():
        shapes = {n: tuple(w.shape) for n, w in model.state_dict().items() if w.ndim}
        state = {n: torch.from_numpy(numbers(n, s, torch_fan_in(n, s))) for n, s in shapes.items()}
        model.load_state_dict(state, strict=False)  # without the counters
        with torch.no_grad():
            logits = model.eval()(torch.from_numpy(image().transpose(0, 3, 1, 2))).logits[0].numpy()
            yield name, shapes, logits.ravel()  # a segmenter's too: classes, rows, columns


def main(library):
    FOLDER.mkdir(exist_ok=True)
    make = {"keras": from_keras, "transformers": from_transformers}[library]
    rows = {name: {"shapes": shapes, "logits": [float(v) for v in logits]} for name, shapes, logits in make()}
    text = json.dumps(rows, separators=(",", ":"))
    (FOLDER / f"{library}.json").write_text(text.replace("],", "],\n") + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
