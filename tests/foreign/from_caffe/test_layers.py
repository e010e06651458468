"""Every row of the table of layers against OpenCV's output (tests/golden/make_caffe.py)."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from underone.compare import difference
from underone.errors import BadFile, Unsupported
from underone.foreign.from_caffe import read_caffe
from underone.foreign.from_caffe.layers import LAYERS
from underone.graph import run_reference, to_onnx
from underone.runtime import load

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "foreign" / "caffe_layers.npz")
TEXTS = json.loads(GOLDEN["texts"].tobytes())


def graph_of(name, folder, text=None, weights=None):
    (folder / "x.caffemodel").write_bytes(GOLDEN[f"{name}/weights"].tobytes() if weights is None else weights)
    (folder / "x.prototxt").write_text(text or TEXTS[name])
    return read_caffe(folder / "x.caffemodel").graph()


def given(graph):
    return {v.name: GOLDEN[f"given/{v.name}"] for v in graph.inputs}


def check(found, name, nmse, peak):
    for top, array in found.items():
        wanted = GOLDEN[f"{name}/{top}"]
        assert array.shape == wanted.shape
        got = difference(array, wanted)
        assert got[0] < nmse
        assert got[1] < peak


@pytest.mark.parametrize("name", TEXTS)
def test_layer_gives_opencvs_answer(name, tmp_path):
    graph = graph_of(name, tmp_path)
    check(run_reference(graph, given(graph)), name, 1e-12, 1e-5)


@pytest.mark.parametrize("name", TEXTS)
def test_layer_gives_opencvs_answer_in_onnxruntime(name, tmp_path):
    graph = graph_of(name, tmp_path)
    session = onnxruntime.InferenceSession(to_onnx(graph), providers=["CPUExecutionProvider"])
    outputs = [v.name for v in graph.outputs]
    check(dict(zip(outputs, session.run(outputs, given(graph)), strict=True)), name, 1e-10, 1e-4)


@pytest.mark.parametrize("name", TEXTS)
def test_layer_gives_opencvs_answer_in_our_engine(name, tmp_path):
    graph = graph_of(name, tmp_path)
    (tmp_path / "x.onnx").write_bytes(to_onnx(graph))
    check(load(tmp_path / "x.onnx", backend="native").run(given(graph)), name, 1e-10, 1e-4)


def test_every_layer_has_a_case():
    """The layers of forks, and those that OpenCV does not read or reads otherwise, have their own tests below."""
    told = {part.split('"')[1] for text in TEXTS.values() for part in text.split("type:")[1:]}
    own = {"DepthwiseConvolution", "ConvolutionDepthwise", "ReLU6", "Swish", "ShuffleChannel"}
    own |= {"ArgMax", "Tile", "Bias", "Log", "Split"}
    assert set(LAYERS) - told - own == set()


def net(layer):
    """Write a network of one layer that reads x (2, 4, 7, 8) and writes y."""
    head = (
        'input: "x" input_shape { dim: 2 dim: 4 dim: 7 dim: 8 } input: "z" input_shape { dim: 2 dim: 4 dim: 7 dim: 8 }'
    )
    return f'{head} layer {{ name: "it" bottom: "x" top: "y" {layer} }}'


X = GOLDEN["given/x"]
WEIGHTS = GOLDEN["convolution/weights"].tobytes()  # (5, 4, 3, 3) and (5,) of a layer "it"


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        ('type: "ReLU6"', np.clip(X, 0, 6)),
        ('type: "Swish"', X / (1 + np.exp(-X))),
        ('type: "ShuffleChannel" shuffle_channel_param { group: 2 }', X[:, [0, 2, 1, 3]]),
        ('type: "ArgMax" argmax_param { axis: 1 }', X.argmax(1)[:, None].astype(np.float32)),
        ('type: "Tile" tile_param { axis: 1 tiles: 2 }', np.concatenate([X, X], 1)),
        ('type: "Bias" bottom: "z"', X + GOLDEN["given/z"]),
        ('type: "Scale" bottom: "z"', X * GOLDEN["given/z"]),
        ('type: "Split"', X),
        ('type: "Log" log_param { base: 2 scale: 0.01 shift: 3 }', np.log2(3 + 0.01 * X)),
        ('type: "Slice" top: "y2" slice_param { axis: 3 }', X[..., :4]),
        ('type: "Pooling" pooling_param { kernel_size: 2 stride: 2 round_mode: FLOOR }',
         X[:, :, :6].reshape(2, 4, 3, 2, 4, 2).max((3, 5))),
        ('type: "LRN" lrn_param { local_size: 1 alpha: 0.5 beta: 0.5 k: 2 }', X / np.sqrt(2 + 0.5 * X**2)),
    ],
)  # fmt: skip
def test_layer_gives_what_caffe_defines(layer, wanted, tmp_path):
    graph = graph_of("", tmp_path, net(layer), WEIGHTS)
    found = run_reference(graph, given(graph))["y"]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_turned_inner_product_takes_its_weight_as_it_lies(tmp_path):
    """OpenCV does not know `transpose`; Caffe's weight is then (inputs, outputs)."""
    text = net('type: "InnerProduct" inner_product_param { num_output: 3 transpose: true }')
    graph = graph_of("", tmp_path, text, GOLDEN["inner_product/weights"].tobytes())
    (weight, bias) = read_caffe(tmp_path / "x.caffemodel").tensors.values()
    wanted = X.reshape(2, -1) @ weight.reshape(224, 3) + bias
    np.testing.assert_allclose(run_reference(graph, given(graph))["y"], wanted, rtol=1e-4, atol=1e-4)


def test_classifier_that_ends_in_one_pixel_gives_classes(tmp_path):
    """As the MobileNets of Caffe do: global pool, convolution, softmax, all (N, C, 1, 1)."""
    text = (
        'input: "x" input_shape { dim: 2 dim: 4 dim: 7 dim: 8 } layer { name: "it" type: "Pooling" bottom: "x" top: "y"'
    )
    text += " pooling_param { pool: AVE global_pooling: true } }"
    text += ' layer { name: "prob" type: "Softmax" bottom: "y" top: "prob" }'
    graph = graph_of("", tmp_path, text, WEIGHTS)
    assert [(v.name, v.shape) for v in graph.outputs] == [("prob", (2, 4))]
    assert graph.spec.outputs[0].meaning == "probabilities"
    mean = X.mean((2, 3))
    wanted = np.exp(mean) / np.exp(mean).sum(1, keepdims=True)
    np.testing.assert_allclose(run_reference(graph, given(graph))["prob"], wanted, rtol=1e-5)
    (note,) = read_caffe(tmp_path / "x.caffemodel").network().notes
    assert note == "output 'prob' of one pixel is given as (N, classes)"
    inside = read_caffe(tmp_path / "x.caffemodel").graph(outputs=["prob"])
    assert inside.outputs[0].shape == (2, 4, 1, 1)  # what is asked for by name keeps its shape


@pytest.mark.parametrize("kind", ["DepthwiseConvolution", "ConvolutionDepthwise"])
def test_depthwise_layers_of_forks_have_a_group_for_each_channel(kind, tmp_path):
    weights = GOLDEN["depthwise/weights"].tobytes()
    text = net(f'type: "{kind}" convolution_param {{ num_output: 4 kernel_size: 3 }}')
    graph = graph_of("", tmp_path, text, weights)
    check(run_reference(graph, given(graph)), "depthwise", 1e-12, 1e-5)


@pytest.mark.parametrize(
    ("layer", "error", "line"),
    [
        ('type: "SpatialTransformer"', Unsupported, "layer 'it' is of class 'SpatialTransformer'; Convolution, "),
        ('type: "Convolution" convolution_param { kernel_size: 5 }', BadFile, r"states a kernel of \(5, 5\)"),
        ('type: "Convolution" convolution_param { pad: 1 pad: 1 pad: 1 }', BadFile, r"has pad \[1, 1, 1\]; one or two"),
        ('type: "Convolution" convolution_param { group: 3 }', BadFile, "group 3"),
        ('type: "Convolution" convolution_param { axis: 2 }', Unsupported, "two spatial axes are read"),
        ('type: "InnerProduct" inner_product_param { num_output: 7 }', BadFile, "num_output 7 and a weight of shape"),
        ('type: "InnerProduct" inner_product_param { axis: 2 }', Unsupported, "all axes behind the first are read"),
        ('type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 }', Unsupported, "pools by STOCHASTIC"),
        ('type: "BatchNorm"', BadFile, "has 2 arrays; number 2 is required"),
        ('type: "PReLU"', BadFile, "broadcast"),
        ('type: "Eltwise" eltwise_param { coeff: 1 coeff: 2 }', BadFile, "'SUM' with 2 weights for 1 blobs"),
        ('type: "Slice" slice_param { slice_point: 9 }', BadFile, r"cuts 4 channels at \[9\] into 1 blobs"),
        ('type: "Softmax" softmax_param { axis: 4 }', BadFile, "works along axis 4 of a blob with 4 axes"),
        ('type: "Reshape" reshape_param { shape { dim: 1 } num_axes: 1 }', Unsupported, "some axes in the middle"),
        ('type: "Reshape" reshape_param { axis: -9 }', BadFile, "reshapes from axis -9 on"),
        ('type: "Reshape" reshape_param { shape { dim: 5 dim: -1 } }', BadFile, "Reshape"),
        ('type: "Permute" permute_param { order: 7 }', BadFile, "Transpose"),
        ('type: "LRN" lrn_param { local_size: 4 }', BadFile, "has local_size 4; an odd number is required"),
        ('type: "LRN" lrn_param { norm_region: WITHIN_CHANNEL }', Unsupported, "normalises within channels"),
        ('type: "ArgMax"', Unsupported, "gives several or flattened answers"),
        ('type: "Exp" exp_param { base: -3 }', BadFile, "has base -3.0; above 0 and other than 1"),
        ('type: "Crop"', BadFile, "reads 1 blobs; two are required"),
        ('type: "Crop" bottom: "z" crop_param { offset: 1 offset: 2 offset: 3 }', BadFile, "has 3 offsets for 2 axes"),
        ('type: "ShuffleChannel" shuffle_channel_param { group: 3 }', BadFile, "shuffles 4 channels in 3 groups"),
        ('type: "Tile" tile_param { tiles: 1073741824 }', BadFile, "elements"),
        ('type: "Split" top: "a" top: "b" bottom: "nowhere"', BadFile, "reads 'nowhere', which nothing writes"),
        ('type: "ReLU" top: "a"', BadFile, "writes 2 blobs; it makes 1"),
        ('type: "PriorBox" prior_box_param { min_size: 2 }', BadFile, "the map and the picture are required"),
        ('type: "PriorBox" bottom: "z" prior_box_param { max_size: 2 }', BadFile, "as many of each, above 0"),
        ('type: "PriorBox" bottom: "z" prior_box_param { min_size: 2 aspect_ratio: 0 }', BadFile, "aspect_ratio 0.0"),
        ('type: "PriorBox" bottom: "z" prior_box_param { min_size: 2 variance: 1 variance: 2 }', BadFile, "2 var"),
        ('type: "Scale" scale_param { axis: 2 }', BadFile, r"has an array of shape \(5, 4, 3, 3\) from axis 2 on"),
        ('type: 5', BadFile, "type is '5'; a text required"),
        ('type: "Pooling" pooling_param { kernel_size: big }', BadFile, "kernel_size is 'big'; whole numbers required"),
        ('type: "ReLU" relu_param { negative_slope: "x" }', BadFile, "negative_slope is 'x'; numbers required"),
        ('type: "ReLU" relu_param: 3', BadFile, "relu_param is '3'; a message in braces required"),
        ('type: "Pooling" pooling_param { global_pooling: perhaps }', BadFile, "is 'perhaps'; true or false required"),
        ('type: "ReLU" bottom: 3', BadFile, "bottom is '3'; texts required"),
    ],
)  # fmt: skip
def test_settings_that_are_not_read_are_named(layer, error, line, tmp_path):
    with pytest.raises(error, match=line) as found:
        graph_of("", tmp_path, net(layer), WEIGHTS)
    assert str(found.value).startswith(str(tmp_path / "x.prototxt"))


def test_a_layer_without_a_blob_to_read_is_named(tmp_path):
    text = net('type: "ReLU"').replace('bottom: "x" ', "")
    with pytest.raises(BadFile, match=r"layer 'it' \(ReLU\) reads nothing; at least one blob is required"):
        graph_of("", tmp_path, text, WEIGHTS)
