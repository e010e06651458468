"""Engine: what it checks, what belongs to whom, threads, pictures."""

import threading

import numpy as np
import pytest
import torch
from onnx import TensorProto as T
from onnx import helper

from underone.errors import BadValue, ShapeError
from underone.image import photograph, photographs, prepare
from underone.post import softmax
from underone.runtime import load
from underone.spec import IMAGENET_PREPARATION

BACKENDS = ["native", "onnxruntime", "openvino", "mlx", "torch", "reference"]


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param != "reference":
        pytest.importorskip("underone._native" if request.param == "native" else request.param)
    return request.param


def test_a_lone_array_and_a_name_are_the_same(foreign, image, backend):
    net = load(foreign, backend)
    np.testing.assert_array_equal(net.run(image)["logits"], net.run({"image": image})["logits"])
    assert net.run(image)["logits"].shape == (2, 10)


def test_arrays_that_are_not_contiguous_are_read_right(foreign, image, backend):
    net = load(foreign, backend)
    turned = np.asfortranarray(image)
    np.testing.assert_array_equal(net.run(turned)["logits"], net.run(image)["logits"])
    np.testing.assert_allclose(net.run(image[::-1])["logits"], net.run(image)["logits"][::-1], rtol=1e-5, atol=1e-5)


def test_outputs_belong_to_the_caller(foreign, image, backend):
    net = load(foreign, backend)
    first = net.run(image)["logits"]
    kept = first.copy()
    net.run(-image)
    np.testing.assert_array_equal(first, kept)
    first[:] = 0
    np.testing.assert_array_equal(net.run(image)["logits"], kept)


def test_an_output_that_is_an_input_or_a_weight_is_a_copy(write_onnx, backend):
    weight = np.array([[2.0, 3.0]], np.float32)
    nodes = [helper.make_node("Flatten", ["x"], ["y"]), helper.make_node("Flatten", ["w"], ["z"])]
    borders = [("x", T.FLOAT, [1, 2])], [("y", T.FLOAT, [1, 2]), ("z", T.FLOAT, [1, 2])]
    net, x = load(write_onnx(nodes, {"w": weight}, *borders), backend), np.array([[5.0, 7.0]], np.float32)
    outputs = net.run(x)
    assert outputs["y"].tolist() == [[5, 7]]
    outputs["y"][:], outputs["z"][:] = 0, 0
    assert x.tolist() == [[5, 7]]
    assert net.run(x)["z"].tolist() == [[2, 3]]


def test_out_is_filled(foreign, image, backend):
    net, out = load(foreign, backend), np.zeros((2, 10), np.float32)
    assert net.run(image, out=out)["logits"] is out
    np.testing.assert_array_equal(out, net.run(image)["logits"])
    named = {"logits": np.zeros((2, 10), np.float32)}
    assert net.run(image, out=named)["logits"] is named["logits"]


@pytest.mark.parametrize("out", [np.zeros((1, 10), np.float32), np.zeros((2, 10), np.float64)])
def test_out_of_another_form_is_refused(foreign, image, out):
    with pytest.raises(ShapeError, match=r"out\['logits'\] is .*; \(2, 10\) of float32 is required"):
        load(foreign).run(image, out=out)


def read_only(shape):
    array = np.zeros(shape, np.float32)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(("out", "message"), [
    ({"logits": [1]}, r"out\['logits'\] is a list; a numpy array that can be written is required"),
    (read_only((2, 10)), r"out\['logits'\] is a read-only array; a numpy array that can be written"),
])  # fmt: skip
def test_out_that_cannot_be_written_is_refused(foreign, image, out, message):
    with pytest.raises(ShapeError, match=message):
        load(foreign).run(image, out=out)


def test_tensors_of_torch_are_refused_with_the_cure(foreign, image):
    for given in (torch.from_numpy(image), {"image": torch.from_numpy(image)}):
        with pytest.raises(ShapeError, match=r"is required: pass x\.detach\(\)\.cpu\(\)\.numpy\(\)$"):
            load(foreign).run(given)


def test_network_that_takes_any_size_is_told_one(write_onnx, spec):
    nodes = [helper.make_node("GlobalAveragePool", ["image"], ["p"]), helper.make_node("Flatten", ["p"], ["logits"])]
    open_input = spec.input.model_copy(update={"shape": (None, 3, None, None)})
    spec = spec.model_copy(update={"inputs": (open_input,), "labels": ("red", "green", "blue")})
    border = ("image", T.FLOAT, ["n", 3, "h", "w"])
    net = load(write_onnx(nodes, {}, [border], [("logits", T.FLOAT, ["n", 3])], spec))
    assert len(net.classify(photograph(), size=(50, 70)).scores) == 3
    with pytest.raises(BadValue, match=r"takes any size, .*; pass size=\(height, width\)"):
        net.classify(photograph())


def test_unknown_outputs_are_refused(foreign, image):
    with pytest.raises(ShapeError, match=r"outputs \['scores'\] were given; the network's are \['logits'\]"):
        load(foreign).run(image, out={"scores": np.zeros((2, 10), np.float32)})


@pytest.mark.parametrize(("change", "message"), [
    (lambda x: x[0], r"got shape \(3, 32, 32\) for 'image'; \(any, 3, 32, 32\) is required"),
    (lambda x: x[:, :2], r"got shape \(2, 2, 32, 32\) for 'image'; \(any, 3, 32, 32\) is required"),
    (lambda x: x[:0], r"got shape \(0, 3, 32, 32\)"),
    (lambda x: x.astype(np.float64), r"got float64 for 'image'; float32 is required: pass x\.astype\('float32'\)"),
    (lambda x: x.astype(">f4"), r"got >f4 for 'image'; float32 is required"),
    (lambda x: {"picture": x}, r"inputs \['picture'\] were given; the network's are \['image'\]"),
    (lambda x: {"image": x, "more": x}, r"inputs \['image', 'more'\] were given"),
    (lambda x: {}, r"inputs \[\] were given"),
    (lambda x: x.tolist(), r"inputs came as list; an array for each of \['image'\] by name is required"),
    (lambda x: {"image": x.tolist()}, r"got a list for 'image'; a numpy array is required"),
])  # fmt: skip
def test_wrong_inputs_are_refused_in_one_line(foreign, image, change, message):
    with pytest.raises(ShapeError, match=message) as caught:
        load(foreign).run(change(image))
    assert "\n" not in str(caught.value)


def test_eight_threads_get_their_own_answers(foreign, backend):
    net = load(foreign, backend)
    rng = np.random.default_rng(5)
    images = [rng.normal(0, 1, (1, 3, 32, 32)).astype(np.float32) for _ in range(8)]
    wanted = [net.run(x)["logits"] for x in images]
    faults = []

    def work(i):
        for _ in range(25):
            if not np.array_equal(net.run(images[i])["logits"], wanted[i]):
                faults.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


def test_clones_run_at_the_same_time_and_survive_the_original(foreign, image, backend):
    net = load(foreign, backend)
    wanted = net.run(image)["logits"]
    clone = net.clone()
    net.close()
    np.testing.assert_array_equal(clone.run(image)["logits"], wanted)
    assert (clone.backend, clone.threads, clone.precision) == (net.backend, net.threads, net.precision)


def test_clones_share_the_weights(foreign):
    net = load(foreign, "reference")
    assert net.clone()._adapter.graph is net._adapter.graph
    pytest.importorskip("onnxruntime")
    net = load(foreign, "onnxruntime")
    assert net.clone()._adapter.session is net._adapter.session


def test_a_clone_on_another_backend_keeps_the_spec(foreign, image):
    net = load(foreign).as_classifier(IMAGENET_PREPARATION)
    other = net.clone(backend="reference")
    assert other.backend == "reference"
    assert other.spec == net.spec
    np.testing.assert_allclose(other.run(image)["logits"], net.run(image)["logits"], rtol=1e-5, atol=1e-4)


def test_a_closed_engine_says_so(foreign, image, backend):
    with load(foreign, backend) as net:
        net.run(image)
    net.close()
    for call in (lambda: net.run(image), net.clone):
        with pytest.raises(BadValue, match=r"was closed; load the file again"):
            call()


def test_engines_print_what_they_are(described):
    net = load(described, "reference", threads=2)
    assert str(net) == "tiny on reference, 2 threads, float32"
    assert repr(net) == "<Engine tiny on reference, 2 threads, float32>"


def test_classify_is_prepare_run_and_decode(described, backend):
    net = load(described, backend)
    found = net.classify(photographs()[0].content)
    wanted = softmax(net.run(prepare(photograph(), net.spec.input))["logits"])[0]
    assert found.scores == pytest.approx(wanted, abs=1e-6)
    assert found.label.name == f"thing {wanted.argmax()}"
    assert set(found.speed) == {"prepare", "run", "decode"}
    assert found.speed["run"] > 0
    np.testing.assert_array_equal(found.picture, photograph())


def test_a_foreign_file_says_what_is_missing(foreign):
    message = (
        r"'unnamed' does not say that its output holds the scores of classes or how a picture becomes its input; "
        r"say it with net\.as_classifier\(preparation, labels\) in Python, with --labels FILE on the command line"
    )
    with pytest.raises(BadValue, match=message):
        load(foreign).classify(photograph())


def test_a_described_foreign_file_classifies(foreign):
    net = load(foreign)
    named = net.as_classifier(IMAGENET_PREPARATION, [f"name {i}" for i in range(10)])
    assert named.classify(photograph()).label.name.startswith("name ")
    assert net.as_classifier(IMAGENET_PREPARATION).classify(photograph()).label.name.startswith("class ")
    assert net.spec.task is None  # the given engine stays as it was


def test_a_network_with_two_inputs_does_not_classify(write_onnx, spec):
    nodes = [helper.make_node("Add", ["a", "b"], ["logits"])]
    borders = [("a", T.FLOAT, [1, 10]), ("b", T.FLOAT, [1, 10])], [("logits", T.FLOAT, [1, 10])]
    net = load(write_onnx(nodes, {}, *borders))
    with pytest.raises(BadValue, match="has 2 inputs; only a network with one input classifies a picture"):
        net.as_classifier(IMAGENET_PREPARATION).classify(photograph())
    x = np.ones((1, 10), np.float32)
    assert net.run({"a": x, "b": 2 * x})["logits"].tolist() == [[3.0] * 10]
    with pytest.raises(ShapeError, match=r"inputs came as ndarray; an array for each of \['a', 'b'\] by name"):
        net.run(x)
