"""Narrow DeepLabs in TensorFlow, under the names of research/deeplab: what they answer, and two as frozen graphs.

The weights are not stored but in the graph: they follow from their names by `numbers` of make_named_networks.py. Run
with tensorflow 2.21:

    python tests/golden/make_tensorflow_deeplab.py
"""

import gzip
import json
import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from make_named_networks import keras_fan_in, numbers

FOLDER = Path(__file__).parent / "tensorflow_deeplab"
CLASSES, CHANNELS, SIDE = 5, 8, 97  # of the head; pixels, 97 = 6 * 16 + 1
STEM, BLOCKS = 4, (4, *(4,) * 2, *(4,) * 3, *(4,) * 4, *(6,) * 3, *(6,) * 3, 8)
# output stride → strides and dilations of the blocks: the one that lost its 2 has the dilation of those before it
STEPS = {
    16: ((1, 2, 1, 2, 1, 1, 2, *(1,) * 10), (*(1,) * 14, 2, 2, 2)),
    8: ((1, 2, 1, 2, *(1,) * 13), (*(1,) * 7, *(2,) * 7, 4, 4, 4)),
}
KINDS = ("light", "pyramid", "decoder")
v1 = tf.compat.v1


def picture():
    """Make a picture of bytes, (SIDE, SIDE, 3): smooth, so that its classes lie in areas."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (7, 7, 3)).astype(np.float32)
    return np.kron(coarse, np.ones((14, 14, 1)))[:SIDE, :SIDE].astype(np.uint8)


def variable(name, shape):
    fan_in = keras_fan_in(name, shape) if len(shape) == 4 else 1
    return v1.get_variable(name, initializer=numbers(name, shape, fan_in))


def norm(y, scope, eps, activation):
    channels = int(y.shape[-1])
    gamma, beta, mean, var = (
        variable(f"{scope}/BatchNorm/{part}", (channels,))
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return activation(tf.nn.batch_normalization(y, mean, var, beta, gamma, eps))


def conv(x, scope, out, eps, activation, size=1, stride=1, rate=1):
    kernel = variable(f"{scope}/weights", (size, size, int(x.shape[-1]), out))
    return norm(tf.nn.conv2d(x, kernel, stride, "SAME", dilations=rate), scope, eps, activation)


def depthwise(x, scope, eps, activation, stride=1, rate=1):
    kernel = variable(f"{scope}/depthwise_weights", (3, 3, int(x.shape[-1]), 1))
    y = tf.nn.depthwise_conv2d(x, kernel, (1, stride, stride, 1), "SAME", dilations=(rate, rate))
    return norm(y, scope, eps, activation)


def backbone(x, output_stride):
    """Give the fine map, filtered inside of the third block, and the last map."""
    x, fine = conv(x, "MobilenetV2/Conv", STEM, 1e-3, tf.nn.relu6, 3, 2), None
    for i, (out, stride, rate) in enumerate(zip(BLOCKS, *STEPS[output_stride], strict=True)):
        scope, before = f"MobilenetV2/expanded_conv{f'_{i}' if i else ''}", x
        if i:
            x = conv(x, f"{scope}/expand", 6 * int(x.shape[-1]), 1e-3, tf.nn.relu6)
        x = depthwise(x, f"{scope}/depthwise", 1e-3, tf.nn.relu6, stride, rate)
        fine = x if i == 2 else fine
        x = conv(x, f"{scope}/project", out, 1e-3, tf.identity)
        x = x + before if stride == 1 and out == int(before.shape[-1]) else x
    return fine, x


def separable(x, scope, rate=1):
    x = depthwise(x, f"{scope}_depthwise", 1e-5, tf.nn.relu, rate=rate)
    return conv(x, f"{scope}_pointwise", CHANNELS, 1e-5, tf.nn.relu)


def resized(x, size):
    return v1.image.resize_bilinear(x, size, align_corners=True)


def network(x, kind, output_stride=16):
    fine, x = backbone(x, output_stride)
    side = [int(n) for n in x.shape[1:3]]
    mean = conv(tf.nn.avg_pool2d(x, side, 1, "VALID"), "image_pooling", CHANNELS, 1e-5, tf.nn.relu)
    parts = [resized(mean, side), conv(x, "aspp0", CHANNELS, 1e-5, tf.nn.relu)]
    if kind != "light":
        parts += [separable(x, f"aspp{i}", 6 * i) for i in (1, 2, 3)]
    x = conv(tf.concat(parts, 3), "concat_projection", CHANNELS, 1e-5, tf.nn.relu)
    if kind == "decoder":
        low = conv(fine, "decoder/feature_projection0", 48, 1e-5, tf.nn.relu)
        x = tf.concat([resized(x, [int(n) for n in low.shape[1:3]]), low], 3)
        x = separable(separable(x, "decoder/decoder_conv0"), "decoder/decoder_conv1")
    kernel = variable("logits/semantic/weights", (1, 1, CHANNELS, CLASSES))
    product = tf.nn.conv2d(x, kernel, 1, "SAME", name="logits/semantic/Conv2D")
    return tf.nn.bias_add(product, variable("logits/semantic/biases", (CLASSES,)), name="logits/semantic/BiasAdd")


def answers():
    for kind in KINDS:
        with tf.Graph().as_default(), v1.Session() as session:
            logits = network(tf.constant(picture()[None] / np.float32(127.5) - 1), kind)
            session.run(v1.global_variables_initializer())
            shapes = {v.op.name: v.shape.as_list() for v in v1.global_variables()}
            yield kind, {"shapes": shapes, "logits": np.round(session.run(logits)[0].astype(float), 5).tolist()}


def frozen(output_stride, crop=513):
    """Write the light one as export_model.py does, with its padding of small pictures; return its label map."""
    with tf.Graph().as_default() as graph, v1.Session() as session:
        image = v1.placeholder(tf.uint8, (1, None, None, 3), "ImageTensor")
        size = tf.shape(image)[1:3]
        more = tf.maximum(crop - size, 0)
        x = tf.cast(image, tf.float32) - 127.5
        x = tf.pad(x, [[0, 0], [0, more[0]], [0, more[1]], [0, 0]]) + 127.5
        x.set_shape((1, crop, crop, 3))
        x = tf.identity((2.0 / 255.0) * x - 1.0, "MobilenetV2/MobilenetV2/input")
        classes = tf.argmax(resized(network(x, "light", output_stride), [crop, crop]), 3, name="ArgMax")
        cut = tf.slice(classes, [0, 0, 0], tf.concat([[1], size], 0))
        tf.identity(cut, "SemanticPredictions")
        session.run(v1.global_variables_initializer())
        whole = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["SemanticPredictions"])
        large = np.kron(picture()[:96, :96], np.ones((5, 5, 1)))  # 480 x 480
        found = session.run("SemanticPredictions:0", {"ImageTensor:0": large[None].astype(np.uint8)})
    (FOLDER / f"light_{output_stride}.pb.gz").write_bytes(gzip.compress(whole.SerializeToString(), mtime=0))
    return found[0, ::8, ::8].tolist()


def main():
    FOLDER.mkdir(exist_ok=True)
    rows = dict(answers()) | {"frozen_classes": {stride: frozen(stride) for stride in STEPS}}
    (FOLDER / "answers.json").write_text(json.dumps(rows, separators=(",", ":")).replace("],", "],\n") + "\n")


if __name__ == "__main__":
    main()
