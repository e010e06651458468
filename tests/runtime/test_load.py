"""load: the table of engines, threads, precision, and what is missing."""

import hashlib
import importlib.util
import io
import subprocess
import sys
import types

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from underone.compare import Comparison, Limits, Verdict
from underone.errors import BadFile, BadValue, MissingExtra, UnknownName, Unsupported
from underone.graph.onnx_file import with_verdict
from underone.runtime import backends, installed_backends, load


def hide(monkeypatch, package):
    """Make a package look as if it were not installed."""
    monkeypatch.setitem(sys.modules, package, None)
    for row in backends.BACKENDS.values():
        if row.package == package:
            monkeypatch.delitem(sys.modules, f"underone.runtime.{row.module}", raising=False)


def test_auto_takes_the_first_that_is_installed(foreign, monkeypatch):
    if importlib.util.find_spec("underone._native"):
        assert load(foreign).backend == "native"
        hide(monkeypatch, "underone._native")
    pytest.importorskip("onnxruntime")
    assert load(foreign).backend == "onnxruntime"
    hide(monkeypatch, "onnxruntime")
    pytest.importorskip("openvino")
    assert load(foreign).backend == "openvino"
    hide(monkeypatch, "openvino")
    assert load(foreign).backend == "reference"


def test_auto_takes_the_next_where_native_lacks_an_operator(foreign, monkeypatch):
    pytest.importorskip("underone._native")

    def refuse(file, threads, precision):
        raise Unsupported("no such operator")

    monkeypatch.setattr("underone.runtime.via_native.open_model", refuse)
    with pytest.raises(Unsupported, match="no such operator"):
        load(foreign, "native")
    assert load(foreign).backend in ("onnxruntime", "openvino", "reference")


def test_an_engine_that_was_not_built_says_so(foreign, monkeypatch):
    hide(monkeypatch, "underone._native")
    message = "backend 'native' is not in this installation; install underone where a C\\+\\+ compiler is"
    with pytest.raises(Unsupported, match=message):
        load(foreign, "native")


@pytest.mark.parametrize(
    ("backend", "extra"), [("onnxruntime", "onnxruntime"), ("openvino", "openvino"), ("torch", "train")]
)
def test_a_missing_package_names_its_extra(foreign, monkeypatch, backend, extra):
    hide(monkeypatch, backend)
    message = rf"backend '{backend}' needs the package {backend}; install it with: pip install 'underone\[{extra}\]'"
    with pytest.raises(MissingExtra, match=message):
        load(foreign, backend)


def test_a_broken_package_is_not_called_missing(foreign, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.delitem(sys.modules, "underone.runtime.via_openvino", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", types.ModuleType("openvino"))  # it is there, and is empty
    sys.modules["openvino"].__spec__ = types.SimpleNamespace(name="openvino")
    with pytest.raises(AttributeError, match="openvino"):
        load(foreign, "openvino")


def test_installed_backends_are_listed_without_loading_them(monkeypatch):
    code = "import sys; from underone.runtime import *; assert 'reference' in installed_backends(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "openvino", "onnxruntime"} & set(done.stdout.split())
    hide(monkeypatch, "openvino")
    assert "openvino" not in installed_backends()


def test_unknown_backends_are_refused(foreign):
    with pytest.raises(UnknownName, match=r"unknown backend 'onnxruntim'. Did you mean 'onnxruntime'"):
        load(foreign, "onnxruntim")


def test_backends_that_are_no_text_are_refused(foreign):
    with pytest.raises(UnknownName, match=r"unknown backend None. Known: auto, mlx, native, onnxruntime"):
        load(foreign, backend=None)


def test_bytes_come_in_any_kind(foreign, image, tmp_path):
    (tmp_path / "net.onnx").write_bytes(foreign)
    wanted = load(foreign, "reference").run(image)["logits"]
    with (tmp_path / "net.onnx").open("rb") as file:
        for source in (bytearray(foreign), memoryview(foreign), file):
            np.testing.assert_array_equal(load(source, "reference").run(image)["logits"], wanted)


@pytest.mark.parametrize(("source", "message"), [
    (None, "None is no file; the path of an ONNX file, its bytes, or an open binary file is required"),
    ("", "'' is no file"),
    (3, "a int is no file"),
    (io.StringIO("text"), "a StringIO is no file"),
    (torch.nn.ReLU(), r"a ReLU is no file; .* is required; export\(model, path\) writes one"),
])  # fmt: skip
def test_what_is_no_file_is_refused_in_one_line(source, message):
    with pytest.raises(BadValue, match=message) as caught:
        load(source)
    assert "\n" not in str(caught.value)


def test_file_of_ours_without_a_proof_is_called_unchecked(described, foreign, tmp_path, caplog):
    (tmp_path / "net.onnx").write_bytes(described)
    assert load(tmp_path / "net.onnx", "reference").verdict is None
    assert caplog.messages == [f"{tmp_path / 'net.onnx'} is unchecked: it holds no verdict on its own bytes"]
    caplog.clear()
    load(foreign, "reference")  # it never claimed anything
    assert not caplog.messages


@pytest.mark.parametrize("facts", ["own", "other", "none"])
def test_verdict_of_a_file_is_that_on_its_own_bytes(described, caplog, facts):
    row = Comparison(on="photo", output="y", nmse=0, peak=0, limits=Limits())
    digest = {"own": {"sha256": hashlib.sha256(described).hexdigest()}, "other": {"sha256": "0"}, "none": {}}[facts]
    verdict = Verdict(kind="export", subject="a", reference="b", comparisons=(row,), facts=digest)
    net = load(with_verdict(described, verdict), "reference")
    assert net.verdict == (verdict if facts == "own" else None)
    assert len(caplog.messages) == (facts != "own")


def test_damaged_verdict_is_as_good_as_none(described, caplog):
    model = onnx.load_model_from_string(described)
    model.metadata_props.add(key="underone.verdict", value="{}")
    assert load(model.SerializeToString(), "reference").verdict is None
    assert len(caplog.messages) == 1


def test_threads_come_from_the_argument_then_the_environment(foreign, monkeypatch):
    monkeypatch.setenv("UNDERONE_THREADS", "2")
    assert load(foreign).threads == 2
    assert load(foreign, threads=1).threads == 1


@pytest.mark.parametrize("threads", [0, -1, 513, 100_000, 1.5, "2"])
def test_impossible_threads_are_refused(foreign, threads):
    with pytest.raises(BadValue, match=rf"threads={threads!r}; a whole number from 1 to 512 is required"):
        load(foreign, threads=threads)


def test_precision_is_float32_unless_the_file_or_the_caller_is_coarser(foreign, mixed_float16):
    assert load(foreign).precision == "float32"
    assert load(mixed_float16).precision == "float16"


def test_a_precision_that_a_backend_lacks_names_those_that_have_it(foreign):
    pytest.importorskip("onnxruntime")
    with pytest.raises(
        Unsupported, match="calculates in float32, not in 'bfloat16'; backends that do: native, openvino"
    ):
        load(foreign, "onnxruntime", precision="bfloat16")
    with pytest.raises(Unsupported, match="backends that do: none"):
        load(foreign, "onnxruntime", precision="int2")


def test_openvino_calculates_in_float32_unless_told_otherwise(foreign, image):
    pytest.importorskip("openvino")
    exact, wanted = load(foreign, "openvino"), load(foreign, "reference").run(image)["logits"]
    np.testing.assert_allclose(exact.run(image)["logits"], wanted, rtol=1e-4, atol=1e-4)
    try:
        coarse = load(foreign, "openvino", precision="bfloat16")
    except Unsupported as error:
        assert "openvino does not calculate in bfloat16 on this processor" in str(error)  # noqa: PT017
        return
    assert coarse.precision == "bfloat16"
    error = np.abs(coarse.run(image)["logits"] - wanted).max() / np.abs(wanted).max()
    assert 1e-4 < error < 0.05  # 8 bits of a number: if it were float32, this test would see it


def test_openvino_says_when_the_processor_lacks_a_precision(foreign, monkeypatch):
    openvino = pytest.importorskip("openvino")

    class Old:
        def get_property(self, *_):
            return ["FP32"]

    monkeypatch.setattr(openvino, "Core", Old)
    with pytest.raises(Unsupported, match="does not calculate in bfloat16 on this processor; it has FP32"):
        load(foreign, "openvino", precision="bfloat16")


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "torch", "reference"])
@pytest.mark.parametrize("content", [b"hello, I am a text\n" * 5, "cut"])
def test_files_that_are_no_onnx_are_refused_by_all(backend, content, foreign, tmp_path):
    pytest.importorskip(backend) if backend != "reference" else None
    path = tmp_path / "bad.onnx"
    path.write_bytes(foreign[: len(foreign) // 2] if content == "cut" else content)
    with pytest.raises(BadFile, match=r"bad\.onnx") as caught:
        load(path, backend)
    assert "\n" not in str(caught.value)


def test_what_the_compiled_part_lacks_is_said_with_a_cure(foreign, monkeypatch):
    native = pytest.importorskip("underone._native")

    def lacks(*_, **__):
        raise native.Unsupported("sort: Sort has no float16")

    monkeypatch.setattr(native, "Plan", lacks)
    with pytest.raises(Unsupported, match="sort: Sort has no float16; use another backend"):
        load(foreign, "native")


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_what_another_engine_refuses_is_one_line(backend):
    pytest.importorskip(backend)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3]) for n in ("x", "y")]
    graph = helper.make_graph([helper.make_node("NoSuchOperator", ["x"], ["y"])], "g", ends[:1], ends[1:])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    with pytest.raises(BadFile, match=f"the model: {backend} refuses it: .+") as raised:
        load(content, backend)
    assert "\n" not in str(raised.value)
    assert {"onnxruntime": ": onnxruntime refuses it: ", "openvino": ": openvino refuses it: "}[backend] in str(
        raised.value
    )
