"""A narrow MobileNet V1 in TensorFlow: its checkpoint under slim's names, and its logits. Run with tensorflow 2.21.

python tests/golden/make_slim_checkpoint.py
"""

import json
import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf
from make_named_networks import CLASSES, image, keras_fan_in, numbers

FOLDER = Path(__file__).parent / "slim_checkpoint"
CHANNELS = (4, 6, 8, 8, 10, 10, 12, 12, 12, 12, 12, 12, 16, 16)  # of no table
STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)


def network(x, variable):
    """Compute the logits of x, (1, H, W, 3); `variable` gives an array by name and shape."""

    def norm(y, scope, channels):
        gamma, beta, mean, var = (
            variable(f"{scope}/BatchNorm/{part}", (channels,))
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return tf.nn.relu6(tf.nn.batch_normalization(y, mean, var, beta, gamma, 1e-3))

    scope = "MobilenetV1/Conv2d_0"
    x = norm(tf.nn.conv2d(x, variable(f"{scope}/weights", (3, 3, 3, 4)), 2, "SAME"), scope, 4)
    for i in range(1, 14):
        before, after, s = CHANNELS[i - 1], CHANNELS[i], STRIDES[i]
        scope = f"MobilenetV1/Conv2d_{i}_depthwise"
        kernel = variable(f"{scope}/depthwise_weights", (3, 3, before, 1))
        x = norm(tf.nn.depthwise_conv2d(x, kernel, (1, s, s, 1), "SAME"), scope, before)
        scope = f"MobilenetV1/Conv2d_{i}_pointwise"
        x = norm(tf.nn.conv2d(x, variable(f"{scope}/weights", (1, 1, before, after)), 1, "SAME"), scope, after)
    scope = "MobilenetV1/Logits/Conv2d_1c_1x1"
    means = tf.reduce_mean(x, (1, 2), keepdims=True)
    x = tf.nn.conv2d(means, variable(f"{scope}/weights", (1, 1, CHANNELS[-1], CLASSES)), 1, "SAME")
    return tf.reshape(x + variable(f"{scope}/biases", (CLASSES,)), (CLASSES,))


def main():
    FOLDER.mkdir(exist_ok=True)
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:

        def variable(name, shape):
            fan_in = keras_fan_in(name, shape) if len(shape) == 4 else 1
            return v1.Variable(numbers(name, shape, fan_in), name=name)

        logits = network(tf.constant(image()), variable)
        v1.Variable(7, name="global_step")
        v1.Variable([0.5], name="MobilenetV1/Conv2d_0/weights/RMSProp")
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(FOLDER / "model.ckpt-7"), write_meta_graph=False)
        (FOLDER / "logits.json").write_text(json.dumps([float(v) for v in session.run(logits)]) + "\n")
    (FOLDER / "checkpoint").unlink()


if __name__ == "__main__":
    main()
