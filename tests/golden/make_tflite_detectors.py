"""Write small detectors that end in TFLite_Detection_PostProcess; needs tensorflow 2.21.

python make_tflite_detectors.py

`detections/regular.tflite` and `fast.tflite`: one convolution and two heads with random weights, 64 x 64 pixels, a map
of 4 x 4 with two anchors for each cell, three classes and the background; the two kinds of suppression.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tensorflow as tf

FOLDER = Path(__file__).parent / "detections"
OPTIONS = {
    "max_detections": "i: 12", "max_classes_per_detection": "i: 1", "detections_per_class": "i: 5",
    "nms_score_threshold": "f: 0.35", "nms_iou_threshold": "f: 0.45", "num_classes": "i: 3",
    "y_scale": "f: 10.0", "x_scale": "f: 8.0", "h_scale": "f: 5.0", "w_scale": "f: 4.0",
}  # fmt: skip
RNG = np.random.default_rng(5)


def anchors() -> np.ndarray:
    """Give (32, 4) y x h w."""
    y, x = np.meshgrid((np.arange(4) + 0.5) / 4, (np.arange(4) + 0.5) / 4, indexing="ij")
    cells = np.stack([y, x], -1).reshape(-1, 1, 2).repeat(2, 1)
    sizes = np.tile([[0.3, 0.5], [0.5, 0.25]], (16, 1, 1))
    return np.concatenate([cells, sizes], -1).reshape(-1, 4).astype(np.float32)


def post_process(regular: bool) -> tf.types.experimental.GenericFunction:
    """Give the empty function that the converter replaces by the operator."""
    options = OPTIONS | {"use_regular_nms": f"b: {str(regular).lower()}"}
    name = 'name: "TFLite_Detection_PostProcess" '
    rest = " ".join(f'attr {{ key: "{key}" value {{ {value} }} }}' for key, value in options.items())

    @tf.function(experimental_implements=name + rest)
    def empty(codes: tf.Tensor, scores: tf.Tensor, boxes: tf.Tensor) -> tuple[tf.Tensor, ...]:
        del codes, scores, boxes
        return tuple(tf.constant(0.0, name=n) for n in ("boxes", "classes", "scores", "count"))

    return empty


def weights(*shape: int) -> tf.Tensor:
    return tf.constant(RNG.normal(0, 0.6, shape).round(2).astype(np.float32))


def detector(regular: bool, stem: tf.Tensor, codes: tf.Tensor, scores: tf.Tensor) -> tf.Module:
    """Give a network whose heads end in the operator."""
    end = post_process(regular)

    @tf.function(input_signature=[tf.TensorSpec((1, 64, 64, 3), tf.float32)])
    def network(image: tf.Tensor) -> dict[str, tf.Tensor]:
        maps = tf.nn.relu6(tf.nn.conv2d(image, stem, 16, "SAME"))
        rows = tf.reshape(tf.nn.conv2d(maps, codes, 1, "SAME"), (1, 32, 4))
        marks = tf.sigmoid(tf.reshape(tf.nn.conv2d(maps, scores, 1, "SAME"), (1, 32, 4)) - 1)
        return {f"output_{i}": tensor for i, tensor in enumerate(end(rows, marks, tf.constant(anchors())))}

    module = tf.Module()
    module.network = network
    return module


def main() -> None:
    stem, codes, scores = weights(16, 16, 3, 8) * 0.1, weights(1, 1, 8, 8), weights(1, 1, 8, 8)
    for name in ("regular", "fast"):
        module = detector(name == "regular", stem, codes, scores)
        with TemporaryDirectory() as folder:  # only on the way over a SavedModel the function stays one
            tf.saved_model.save(module, folder, signatures=module.network.get_concrete_function())
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            converter.allow_custom_ops = True
            (FOLDER / f"{name}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()
