"""Write graphs of single layers with TensorFlow's own answers: python make_tensorflow_graphs.py; needs tensorflow 2.21.

`tensorflow/layers.npz` holds for each case NAME: `NAME.graph`, the bytes of a frozen GraphDef, `NAME.output`,
and `NAME.shape` of its input, which is `input.2x5x6x4` for that shape; the input's node is "x", the output's "y".
`tensorflow/networks.npz` holds answers of two published frozen graphs, which are given as arguments; the test fetches
them by their sha256:
    python make_tensorflow_graphs.py mobilenet_v1_1.0_224_frozen.pb frozen_inference_graph.pb
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

FOLDER = Path(__file__).parent / "tensorflow"
tf1 = tf.compat.v1
nn, raw = tf.nn, tf.raw_ops


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Give weights or data: multiples of 1/8, which are exact and small when compressed."""
    return (np.random.default_rng(seed).normal(0, 8, shape).round() / 8).astype(np.float32)


def wave(height: int, width: int) -> np.ndarray:
    """Give a smooth picture (1, height, width, 3) from -1 to 1, the same on every machine."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return np.sin(y * (0.07 + 0.02 * c) + np.cos(x * 0.05) * 3 + c)[None].astype(np.float32)


def unfolded_norm(x: tf.Tensor, channels: int) -> tf.Tensor:
    """Normalise as slim writes it: y = x · (gamma / sqrt(var + eps)) + (beta - mean · gamma / sqrt(var + eps))."""
    gamma, beta, mean = (tf.constant(numbers(channels, seed=s)) for s in (1, 2, 3))
    factor = tf.math.rsqrt(tf.constant(np.abs(numbers(channels, seed=4)) + 0.1) + 1e-3) * gamma
    return x * factor + (beta - mean * factor)


def fused_norm(x: tf.Tensor, channels: int, version: Callable = raw.FusedBatchNormV3, **more: object) -> tf.Tensor:
    """Normalise by one operation."""
    scale, shift, mean = (numbers(channels, seed=s) for s in (1, 2, 3))
    variance = np.abs(numbers(channels, seed=4)) + 0.1
    made = version(
        x=x, scale=scale, offset=shift, mean=mean, variance=variance, epsilon=1e-3, is_training=False, **more
    )
    return made.y


def conv(x: tf.Tensor, *shape: int, stride: int = 1, padding: object = "SAME", rate: int = 1) -> tf.Tensor:
    """Convolve by a weight (h, w, I, O)."""
    return nn.conv2d(x, numbers(*shape, seed=7), stride, padding, dilations=rate)


def blocks(x: tf.Tensor, rate: int, function: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Dilate as old graphs do, between SpaceToBatchND and BatchToSpaceND."""
    size = x.shape.as_list()[1:3]
    ends = [rate + (-(s + 2 * rate)) % rate for s in size]
    spread = raw.SpaceToBatchND(input=x, block_shape=[rate, rate], paddings=[[rate, ends[0]], [rate, ends[1]]])
    crops = [[0, ends[0] - rate], [0, ends[1] - rate]]
    return raw.BatchToSpaceND(input=function(spread), block_shape=[rate, rate], crops=crops)


def heads(x: tf.Tensor) -> tf.Tensor:
    """Reshape by the batch that the graph counts, as detectors do."""
    batch = tf.shape(conv(x, 1, 1, 4, 2))[0]
    a = tf.reshape(conv(x, 3, 3, 4, 12), tf.stack([batch, -1, 1, 4]))
    b = tf.reshape(conv(x, 3, 3, 4, 12, stride=2), tf.stack([batch, -1, 1, 4]))
    return tf.squeeze(tf.concat([a, b], 1), [2])


def partly_folded(x: tf.Tensor) -> tf.Tensor:
    """Multiply the weight itself, as some exporters fold a norm."""
    weight = tf.constant(numbers(3, 3, 4, 6, seed=7)) * tf.constant(numbers(6, seed=1))
    return nn.bias_add(nn.conv2d(x, weight, 1, "SAME"), numbers(6, seed=2))


def fixed_numbers(x: tf.Tensor) -> tf.Tensor:
    """Add numbers that follow from constants alone, as anchors do: rounding, masks and orders of every kind."""
    columns, rows = tf.meshgrid(tf.range(6) * 2 - 5, tf.range(4, -1, -1))
    parts = [columns // 3, tf.math.floormod(columns, 4), raw.TruncateDiv(x=rows - 3, y=2), tf.fill([5, 6], 7)]
    grid = tf.stack(parts, -1)  # (5, 6, 4)
    some = tf.where(tf.equal(grid, 7), tf.minimum(grid, 3), tf.maximum(-grid, tf.zeros_like(grid) - 1))
    size = tf.reduce_prod(tf.slice(tf.constant([9, 2, 3, 4]), [1], [-1])) + tf.reduce_max([[1, 5], [8, 2]], 0)[1]
    moved = tf.transpose(tf.tile(tf.expand_dims(tf.range(2, 10, 3), 0), [4, 2]))  # (6, 4)
    masked = tf.gather(tf.pad(moved, [[0, 1], [0, 0]]), [6, 0, 5, 1, 4, 2])[..., tf.newaxis, ::-1]
    halves = tf.concat(tf.unstack(tf.constant([[1.5, -2.5], [0.5, 8.0]]), axis=1), 0)  # (4,)
    sign = tf.cast(tf.logical_and(halves > 0, tf.logical_not(halves >= 8)), tf.float32)
    scale = tf.math.rsqrt(tf.exp(tf.abs(halves)) + 1.0) * tf.reduce_mean(halves) + tf.reshape(sign, [4])
    return x * scale + tf.cast(some * size, tf.float32) + tf.cast(tf.squeeze(masked, [1]), tf.float32) / 8.0


def fake_quantised(x: tf.Tensor) -> tf.Tensor:
    """Convolve as a network that is trained for whole numbers does."""
    ends = np.linspace(1.03, 2.21, 6, dtype=np.float32)  # of each channel
    weight = tf.quantization.fake_quant_with_min_max_vars_per_channel(
        numbers(3, 3, 4, 6, seed=7), -ends[::-1], ends, narrow_range=True
    )
    y = nn.conv2d(x, weight, 2, "SAME") + tf.quantization.fake_quant_with_min_max_vars(numbers(6), -1.7, 1.9)
    return tf.quantization.fake_quant_with_min_max_vars(nn.relu6(y), 0.0, 6.0)


MAP = (2, 5, 6, 4)  # odd and even
EDGE = [[0, 0], [1, 1], [0, 1], [0, 0]]
CASES: dict[str, tuple[tuple[int, ...], Callable[[tf.Tensor], tf.Tensor]]] = {
    "conv_same": (MAP, lambda x: conv(x, 3, 3, 4, 6)),
    "conv_same_stride": (MAP, lambda x: conv(x, 3, 3, 4, 6, stride=2)),
    "conv_same_even_kernel": (MAP, lambda x: conv(x, 4, 2, 4, 6, stride=3)),
    "conv_valid_stride": (MAP, lambda x: conv(x, 3, 2, 4, 6, stride=2, padding="VALID")),
    "conv_explicit": (MAP, lambda x: conv(x, 3, 3, 4, 6, stride=2, padding=[[0, 0], [1, 0], [2, 1], [0, 0]])),
    "conv_dilated": (MAP, lambda x: conv(x, 3, 3, 4, 6, rate=2)),
    "conv_groups": (MAP, lambda x: conv(x, 3, 3, 2, 6)),
    "conv_bias_relu6": (MAP, lambda x: nn.relu6(nn.bias_add(conv(x, 1, 1, 4, 6), numbers(6)))),
    "conv_padded_before": (MAP, lambda x: conv(tf.pad(x, EDGE), 3, 3, 4, 6, padding="VALID")),
    "depthwise": (MAP, lambda x: nn.depthwise_conv2d(x, numbers(3, 3, 4, 1), [1, 2, 2, 1], "SAME")),
    "depthwise_multiplier": (MAP, lambda x: nn.depthwise_conv2d(x, numbers(3, 3, 4, 2), [1, 1, 1, 1], "VALID")),
    "blocks_conv": (MAP, lambda x: blocks(x, 2, lambda s: conv(s, 3, 3, 4, 6, padding="VALID"))),
    "blocks_depthwise_bias": (
        MAP,
        lambda x: blocks(
            x, 3, lambda s: nn.bias_add(nn.depthwise_conv2d(s, numbers(3, 3, 4, 1), [1] * 4, "VALID"), numbers(4))
        ),
    ),
    "transposed_same": (MAP, lambda x: nn.conv2d_transpose(x, numbers(3, 3, 5, 4), (2, 10, 12, 5), 2, "SAME")),
    "transposed_same_odd": (MAP, lambda x: nn.conv2d_transpose(x, numbers(4, 3, 5, 4), (2, 9, 11, 5), 2, "SAME")),
    "transposed_valid": (MAP, lambda x: nn.conv2d_transpose(x, numbers(3, 2, 5, 4), (2, 11, 12, 5), 2, "VALID")),
    "norm_fused": (MAP, lambda x: fused_norm(conv(x, 1, 1, 4, 6), 6)),
    "norm_fused_1": (MAP, lambda x: nn.relu(fused_norm(x, 4, raw.FusedBatchNorm))),
    "norm_unfolded": (MAP, lambda x: nn.relu6(unfolded_norm(conv(x, 3, 3, 4, 6), 6))),
    "norm_partly_folded": (MAP, partly_folded),
    "average_same": (MAP, lambda x: nn.avg_pool2d(x, 3, 2, "SAME")),
    "average_valid": (MAP, lambda x: nn.avg_pool2d(x, [5, 3], 2, "VALID")),
    "maximum_same": (MAP, lambda x: nn.max_pool2d(x, [2, 3], 2, "SAME")),
    "resize_plain": (MAP, lambda x: raw.ResizeBilinear(images=x, size=[8, 4])),
    "resize_corners": (MAP, lambda x: raw.ResizeBilinear(images=x, size=[8, 4], align_corners=True)),
    "resize_centres": (MAP, lambda x: raw.ResizeBilinear(images=x, size=[8, 4], half_pixel_centers=True)),
    "nearest_plain": (MAP, lambda x: raw.ResizeNearestNeighbor(images=x, size=[8, 4])),
    "nearest_corners": (MAP, lambda x: raw.ResizeNearestNeighbor(images=x, size=[8, 4], align_corners=True)),
    "nearest_centres": (MAP, lambda x: raw.ResizeNearestNeighbor(images=x, size=[8, 4], half_pixel_centers=True)),
    "blocks_to_space": (MAP, lambda x: tf.nn.depth_to_space(conv(x, 1, 1, 4, 12), 2)),
    "space_to_blocks": ((2, 6, 4, 3), lambda x: tf.nn.space_to_depth(x, 2)),
    "pad_value": (MAP, lambda x: tf.pad(x, [[0, 0], [1, 2], [3, 0], [0, 1]], constant_values=1.5)),
    "pad_mirror": (MAP, lambda x: tf.pad(x, [[0, 0], [1, 2], [3, 0], [0, 0]], "REFLECT")),
    "mean_spatial": (MAP, lambda x: tf.reduce_mean(x, [1, 2], keepdims=True)),
    "reductions": (MAP, lambda x: tf.reduce_max(x, -1) + tf.reduce_sum(x, 3) - tf.reduce_min(x, [3])),
    "softmax": (MAP, lambda x: nn.softmax(x) + nn.log_softmax(x)),
    "activations": (MAP, lambda x: nn.leaky_relu(x, 0.3) + nn.elu(x) * tf.tanh(x) - nn.softplus(x) + tf.sigmoid(x)),
    "functions": (
        MAP,
        lambda x: tf.square(x) + tf.sqrt(tf.abs(x)) * tf.exp(-x) + tf.math.squared_difference(x, 2.0) / (x * x + 1)
        + tf.floor(x) - tf.round(x) + tf.math.erf(x) + tf.math.rsqrt(tf.abs(x) + 1) + tf.sin(x) * tf.sign(x),
    ),
    "choices": (MAP, lambda x: tf.where(tf.logical_and(x > 0, x <= 1), tf.maximum(x, 0.5), tf.minimum(x, 0.1))),
    "clip": (MAP, lambda x: raw.ClipByValue(t=x, clip_value_min=-0.3, clip_value_max=0.7)),
    "arg_max": (MAP, lambda x: tf.argmax(x, 3, tf.int32)),
    "cast": (MAP, lambda x: tf.cast(tf.cast(x * 3, tf.int32), tf.float32)),
    "matmul": ((2, 5), lambda x: tf.matmul(numbers(3, 7), tf.matmul(x, numbers(7, 5), False, True), False, True)),
    "batch_matmul": ((2, 3, 5), lambda x: tf.matmul(x, numbers(2, 4, 3), transpose_a=True, transpose_b=True)),
    "pack": (MAP, lambda x: tf.stack(tf.unstack(x, axis=3)[::-1], axis=1)),
    "split": (MAP, lambda x: tf.concat([*tf.split(x, 2, 3)[::-1], *tf.split(x, [1, -1, 1], -1)], -1)),
    "slices": (MAP, lambda x: x[:, 1:-1, ::-2, tf.newaxis, 2] + tf.slice(x, [0, 1, 2, 1], [-1, 3, 3, 1])),
    "slice_ellipsis": (MAP, lambda x: x[-1, ..., 1:3]),
    "gather": (MAP, lambda x: tf.gather(x, [2, 0, 0], axis=3)),
    "tile": (MAP, lambda x: tf.tile(x, [1, 2, 1, 3])),
    "transpose": (MAP, lambda x: tf.transpose(x, [0, 3, 1, 2])),
    "expand": (MAP, lambda x: tf.squeeze(tf.expand_dims(x, -2)) + 1),
    "flatten": (MAP, lambda x: tf.matmul(tf.reshape(x, [-1, 120]), numbers(120, 3))),
    "heads": (MAP, heads),
    "fixed_numbers": (MAP, fixed_numbers),
    "open_reshape": (MAP, lambda x: tf.reshape(x, tf.stack([tf.shape(x)[0], tf.shape(x)[1] * tf.shape(x)[2], 4]))),
    "open_sizes": (MAP, lambda x: tf.reshape(conv(x, 3, 3, 4, 6, stride=2), [-1, 3, 6]) * 2),
    "whole_size": (MAP, lambda x: x * tf.cast(tf.size(x), tf.float32) + tf.cast(tf.rank(x), tf.float32)),
    "fake_quantised_weights": (MAP, fake_quantised),
    "fake_quantised": (MAP, lambda x: tf.quantization.fake_quant_with_min_max_args(x, -1, 1.53, 8)),
}  # fmt: skip


def first(function: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Give the same function of a tensor with channels first, for answers on a processor that has no such layers."""
    return lambda x: tf.transpose(function(tf.transpose(x, [0, 2, 3, 1])), [0, 3, 1, 2])


def norm_first(x: tf.Tensor) -> tf.Tensor:
    """Convolve and normalise (N, C, H, W)."""
    y = raw.Conv2D(
        input=x, filter=numbers(3, 3, 5, 6, seed=7), strides=[1, 1, 2, 2], padding="SAME", data_format="NCHW"
    )
    y = raw.BiasAdd(value=y, bias=numbers(6), data_format="NCHW")
    return tf.nn.relu(fused_norm(y, 6, data_format="NCHW"))


def pool_first(x: tf.Tensor) -> tf.Tensor:
    """Convolve each channel of (N, C, H, W), and pool."""
    y = raw.DepthwiseConv2dNative(
        input=x, filter=numbers(3, 2, 5, 2), strides=[1] * 4, data_format="NCHW", padding="EXPLICIT",
        explicit_paddings=[0, 0, 0, 0, 1, 0, 2, 1],
    )  # fmt: skip
    return raw.MaxPool(input=y, ksize=[1, 1, 3, 2], strides=[1, 1, 2, 1], padding="SAME", data_format="NCHW")


# graphs with channels first, and what computes their answers
FIRST: dict[str, tuple[Callable[[tf.Tensor], tf.Tensor], Callable[[tf.Tensor], tf.Tensor]]] = {
    "first_norm": (
        norm_first,
        first(lambda x: nn.relu(fused_norm(nn.bias_add(conv(x, 3, 3, 5, 6, stride=2), numbers(6)), 6))),
    ),
    "first_pool": (
        pool_first,
        first(
            lambda x: nn.max_pool2d(
                nn.depthwise_conv2d(x, numbers(3, 2, 5, 2), [1] * 4, [[0, 0], [1, 0], [2, 1], [0, 0]]),
                [3, 2], [2, 1], "SAME",
            )
        ),
    ),
}  # fmt: skip

# shapes that a graph states, where they are not those of the input
STATED = {"heads": (None, 5, 6, 4), "open_sizes": (None, None, None, 4), "open_reshape": (None, None, None, 4)}


def frozen(
    shape: tuple[int | None, ...],
    function: Callable[[tf.Tensor], tf.Tensor],
    data: np.ndarray,
    answering: Callable[[tf.Tensor], tf.Tensor] | None = None,
) -> tuple[bytes, np.ndarray]:
    """Give a graph's bytes and TensorFlow's output, or that of a function that means the same."""
    with tf.Graph().as_default() as graph:
        tf.identity(function(tf1.placeholder(tf.float32, shape, "x")), "y")
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, shape)
        return graph.as_graph_def().SerializeToString(), session.run((answering or function)(x), {x: data})


def run(path: str, feeds: dict[str, np.ndarray], fetches: list[str]) -> list[np.ndarray]:
    """Run a frozen graph from a file."""
    definition = tf1.GraphDef()
    definition.ParseFromString(Path(path).read_bytes())
    with tf.Graph().as_default(), tf1.Session() as session:
        tf.import_graph_def(definition, name="")
        return session.run(fetches, feeds)


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    found = {}
    cases = {name: (*case, None) for name, case in CASES.items()}
    cases |= {name: ((2, 5, 6, 4), *functions) for name, functions in FIRST.items()}
    for name, (shape, function, answering) in cases.items():
        data = numbers(*shape, seed=11)
        graph, answer = frozen(STATED.get(name, shape), function, data, answering)
        found |= {f"{name}.graph": np.frombuffer(graph, np.uint8), f"{name}.output": answer}
        found |= {f"{name}.shape": np.array(shape, np.int8), "input." + "x".join(map(str, shape)): data}
    np.savez_compressed(FOLDER / "layers.npz", **found)
    if len(sys.argv) > 2:
        (logits,) = run(sys.argv[1], {"input:0": wave(224, 224)}, ["MobilenetV1/Predictions/Reshape:0"])
        given = "Preprocessor/map/TensorArrayStack/TensorArrayGatherV3:0"
        wanted = ["Postprocessor/raw_box_encodings:0", "Postprocessor/raw_box_scores:0"]
        boxes, scores = run(sys.argv[2], {given: (wave(300, 300) + 1) * 127.5}, wanted)
        every = slice(0, None, 16)  # of the anchors
        np.savez_compressed(FOLDER / "networks.npz", logits=logits, boxes=boxes[:, every], scores=scores[:, every])


if __name__ == "__main__":
    main()
