"""Write SavedModels with TensorFlow and its own answers: python make_tensorflow_saved_models.py; needs tensorflow 2.21.

`tensorflow/saved_models.npz` holds the files of `exported` (by Keras) and `session` (by a session of TensorFlow 1) by
their paths, the `input`, and the output of each as `exported.output` and `session.output`.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

TARGET = Path(__file__).parent / "tensorflow" / "saved_models.npz"
tf1 = tf.compat.v1
layers = tf.keras.layers


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Give multiples of 1/8."""
    return (np.random.default_rng(seed).normal(0, 8, shape).round() / 8).astype(np.float32)


def exported(data: np.ndarray, folder: Path) -> np.ndarray:
    """Export a Keras network."""
    model = tf.keras.Sequential(
        [
            tf.keras.Input((9, 8, 3)),
            layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="first"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(6.0),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, activation="softmax", name="second"),
        ]
    )
    for number, variable in enumerate(model.weights):
        value = numbers(*variable.shape, seed=number)
        variable.assign(np.abs(value) + 0.5 if "variance" in variable.path else value)
    model.export(folder)
    return model(data).numpy()


def session(data: np.ndarray, folder: Path) -> np.ndarray:
    """Save a session of TensorFlow 1."""
    with tf.Graph().as_default(), tf1.Session() as running:
        x = tf1.placeholder(tf.float32, (None, 9, 8, 3), "x")
        weight = tf1.get_variable("net/weights", initializer=numbers(3, 3, 3, 4), use_resource=False)
        bias = tf1.get_variable("net/biases", initializer=numbers(4, seed=1), use_resource=True)
        y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, weight, 2, "SAME"), bias), name="y")
        running.run(tf1.global_variables_initializer())
        tf1.saved_model.simple_save(running, str(folder), {"picture": x}, {"map": y})
        return running.run(y, {x: data})


KINDS: dict[str, Callable[[np.ndarray, Path], np.ndarray]] = {"exported": exported, "session": session}


def main() -> None:
    """Write the file."""
    data = numbers(2, 9, 8, 3, seed=9)
    found = {"input": data}
    with tempfile.TemporaryDirectory() as name:
        for kind, write in KINDS.items():
            found[f"{kind}.output"] = write(data, Path(name) / kind)
        for path in [*Path(name).glob("*/saved_model.pb"), *Path(name).glob("*/variables/*")]:
            found[path.relative_to(name).as_posix()] = np.frombuffer(path.read_bytes(), np.uint8)
    np.savez_compressed(TARGET, **found)


if __name__ == "__main__":
    main()
