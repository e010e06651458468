"""The engines against each other, on one small network and on real ones; what each vendor refuses."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper

from underone.compare import difference
from underone.errors import BadFile, BadValue, Unsupported
from underone.image import photograph, prepare
from underone.runtime import load
from underone.spec import InputSpec, Preparation

BACKENDS = ["native", "onnxruntime", "openvino", "mlx", "torch", "reference"]
ULTRAFACE = Preparation(resize="squeeze", range=(0, 255), mean=(127,) * 3, std=(128,) * 3)


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param != "reference":
        pytest.importorskip("underone._native" if request.param == "native" else request.param)
    return request.param


@pytest.fixture(scope="module", params=["version-RFB-320.onnx", "version-slim-320.onnx"])
def ultraface(request):
    folder = os.environ.get("UNDERONE_ASSETS")
    if not folder:
        pytest.skip("UNDERONE_ASSETS is not set")
    return Path(folder) / "weights" / "ultraface" / request.param


def test_a_small_network_is_what_onnxruntime_says(foreign, image, backend):
    pytest.importorskip("onnxruntime")
    wanted = load(foreign, "onnxruntime").run(image)["logits"]
    nmse, peak = difference(load(foreign, backend).run(image)["logits"], wanted)
    assert nmse < 1e-11
    assert peak < 1e-5


def test_a_real_network_is_what_onnxruntime_says(ultraface, backend):
    pytest.importorskip("onnxruntime")
    x = prepare(photograph(), InputSpec(shape=(1, 3, 240, 320), preparation=ULTRAFACE))
    wanted, found = load(ultraface, "onnxruntime").run(x), load(ultraface, backend).run(x)
    for name in ("scores", "boxes"):
        nmse, peak = difference(found[name], wanted[name])
        assert nmse < 1e-10
        assert peak < 1e-4


def test_two_threads_calculate_the_same(foreign, image, backend):
    one, two = (load(foreign, backend, threads=n).run(image)["logits"] for n in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in Linux's /proc")
def test_onnxruntime_takes_exactly_the_threads(foreign):
    pytest.importorskip("onnxruntime")
    nets = [load(foreign, "onnxruntime")]  # the first one also starts what the process needs once
    for threads in (1, 2, 4):
        before = len(os.listdir("/proc/self/task"))
        nets.append(load(foreign, "onnxruntime", threads=threads))
        assert len(os.listdir("/proc/self/task")) - before == threads - 1  # the caller is one of them


def test_openvino_takes_exactly_the_threads(foreign, image):
    pytest.importorskip("openvino")
    for threads in (1, 2):
        net = load(foreign, "openvino", threads=threads)
        net.run(image)
        assert net._adapter.compiled.get_property("INFERENCE_NUM_THREADS") == threads


def test_torch_takes_exactly_the_threads(foreign, image, monkeypatch):
    torch = pytest.importorskip("torch")
    net, asked, change = load(foreign, "torch", threads=2), [], torch.set_num_threads
    monkeypatch.setattr(torch, "set_num_threads", lambda n: (asked.append(n), change(n)))
    net.run(image)
    assert asked[0] == 2


def test_files_with_float16_inside_run_on_float32_arrays(mixed_float16, foreign, image, backend):
    wanted = load(foreign, "reference").run(image)["logits"]
    nmse, _ = difference(load(mixed_float16, backend).run(image)["logits"], wanted)
    assert 1e-12 < nmse < 1e-4  # 11 bits of a number: not exact, and not wrong


def test_files_with_float16_inputs_run_on_float16_arrays(foreign_float16, foreign, image, backend):
    wanted = load(foreign, "reference").run(image)["logits"]
    found = load(foreign_float16, backend).run(image.astype(np.float16))["logits"]
    assert found.dtype == np.float16
    nmse, _ = difference(found, wanted)
    assert 1e-12 < nmse < 1e-4


def test_weights_beside_the_file_are_found(foreign, image, backend, tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(
        onnx.load_model_from_string(foreign), path, save_as_external_data=True, location="net.bin", size_threshold=0
    )
    wanted = load(foreign, backend).run(image)["logits"]
    np.testing.assert_array_equal(load(path, backend).run(image)["logits"], wanted)


def test_unknown_operators_are_refused_in_one_line(write_onnx, backend):
    nodes = [helper.make_node("Frobnicate", ["x"], ["y"])]
    content = write_onnx(nodes, {}, [("x", T.FLOAT, [2])], [("y", T.FLOAT, [2])])
    with pytest.raises((BadFile, Unsupported), match="Frobnicate") as caught:
        load(content, backend)
    assert "\n" not in str(caught.value)


def test_shapes_that_do_not_fit_are_refused_in_one_line(write_onnx, backend):
    weight = np.ones((4, 5, 3, 3), np.float32)  # five channels; the input has three
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    content = write_onnx(nodes, {"w": weight}, [("x", T.FLOAT, [1, 3, 8, 8])], [("y", T.FLOAT, [1, 4, 6, 6])])
    with pytest.raises((BadFile, ValueError)) as caught:
        load(content, backend).run(np.ones((1, 3, 8, 8), np.float32))
    assert "\n" not in str(caught.value)


def test_shapes_that_fail_while_running_are_refused_in_one_line(write_onnx, backend):
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    content = write_onnx(nodes, {"w": np.ones(3, np.float32)}, [("x", T.FLOAT, ["n"])], [("y", T.FLOAT, ["n"])])
    with pytest.raises((BadFile, ValueError)) as caught:
        load(content, backend).run(np.ones(2, np.float32))
    assert "\n" not in str(caught.value)


def test_torch_names_all_operators_it_lacks(write_onnx):
    pytest.importorskip("torch")
    nodes = [helper.make_node("ReduceL2", ["x"], ["a"]), helper.make_node("ReduceProd", ["a"], ["y"])]
    content = write_onnx(nodes, {}, [("x", T.FLOAT, [1, 4])], [("y", T.FLOAT, [1, 1])])
    message = r"backend 'torch' lacks the operators ReduceL2, ReduceProd; use backend 'reference'"
    with pytest.raises(Unsupported, match=message):
        load(content, "torch")


def test_torch_gives_its_threads_back(foreign, image):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    load(foreign, "torch", threads=before + 1).run(image)
    assert torch.get_num_threads() == before


def test_engines_are_quiet(foreign, write_onnx, image, backend, capfd):
    load(foreign, backend).run(image)
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    content = write_onnx(nodes, {"w": np.ones(3, np.float32)}, [("x", T.FLOAT, ["n"])], [("y", T.FLOAT, ["n"])])
    with pytest.raises((BadFile, ValueError)):
        load(content, backend).run(np.ones(2, np.float32))
    assert capfd.readouterr() == ("", "")


def test_an_index_outside_its_axis_is_our_error(tmp_path):
    pytest.importorskip("underone._native")
    values = [helper.make_tensor_value_info("x", T.FLOAT, [4]), helper.make_tensor_value_info("i", T.INT64, [2])]
    result = helper.make_tensor_value_info("y", T.FLOAT, [2])
    graph = helper.make_graph([helper.make_node("Gather", ["x", "i"], ["y"])], "g", values, [result])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "g.onnx")
    net = load(tmp_path / "g.onnx", "native")
    with pytest.raises(BadValue, match=r"g\.onnx: Gather: index 4 of an axis with 4 entries"):
        net.run({"x": np.ones(4, np.float32), "i": np.array([0, 4])})
