"""Bundles: what they hold, what their programs answer, and what is wrong with a changed one."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import underone as uo
from underone.errors import BadFile, BadValue, MissingExtra, ParityFailed, UnknownName
from underone.files import sha256_of
from underone.formats import read_back
from underone.formats.bundle import Bundle, forms, write
from underone.formats.executorch import environment
from underone.formats.forms import Form
from underone.graph import Node, Value, run_reference, to_onnx
from underone.image import photographs, prepare

PACKAGES = {"onnx": "onnxruntime", "litert": "ai_edge_litert", "openvino": "openvino", "ncnn": "ncnn"}
INSTALLED = [name for name, package in PACKAGES.items() if find_spec(package)]
NODE = shutil.which("node")


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(photographs()[0].content)
    return path


@pytest.mark.parametrize("task", ["classify", "detect", "segment"])
def test_bundle_holds_proofs_and_programs_that_answer_as_the_library(tmp_path, small, photo, task):
    folder = tmp_path / "bundle"
    bundle = uo.export_bundle(small(task), folder, INSTALLED)
    assert [form.format for form in bundle.forms] == INSTALLED
    assert all(form.passed and form.nmse < 1e-10 and form.agreement > 0.999 for form in bundle.forms)
    assert (folder / "labels.txt").read_text().split()[:2] == ["cat", "dog"]
    page = (folder / "README.md").read_text()
    assert "Licence of the weights: MIT" in page
    assert all(f"| {name} | {name}/small_{task}." in page for name in INSTALLED)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle", "photo.jpg"]
    assert [f.passed for f in uo.verify_bundle(folder).forms] == [True] * len(INSTALLED)
    with uo.load(folder / bundle.source) as net:
        want = _expected(net, task, photo)
    for name in INSTALLED:
        done = subprocess.run([sys.executable, folder / name / "run.py", photo], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == _nearly(want), name


def _expected(net, task, photo):
    if task == "classify":
        return [{"index": t.index, "label": t.name, "score": t.score} for t in net.classify(photo).top(3)]
    if task == "detect":
        found = net.detect(photo)
        assert len(found.boxes) > 1
        rows = zip(found.labels, found.scores, found.boxes, strict=True)
        return [{"label": label, "score": float(s), "box": b.tolist()} for label, s, b in rows]
    logits = net.run(prepare(str(photo), net.spec.input))["logits"][0]
    kinds, counts = np.unique(logits.argmax(0), return_counts=True)
    return {net.spec.labels[k]: float(n) / 16 for k, n in zip(kinds, counts, strict=True)}


def _nearly(value, most=1e-3):
    """Give what equals the same with numbers that differ by rounding: corners of boxes by a part of a pixel."""
    if isinstance(value, dict):
        return {name: _nearly(item, 0.05 if name == "box" else most) for name, item in value.items()}
    if isinstance(value, list):
        return [_nearly(item, most) for item in value]
    return pytest.approx(value, rel=0, abs=most) if isinstance(value, float) else value


def in_bgr(graph):
    how = graph.spec.input.preparation.model_copy(update={"color": "BGR"})
    image = graph.spec.input.model_copy(update={"preparation": how})
    return replace(graph, spec=graph.spec.model_copy(update={"inputs": (image,)}))


@pytest.mark.skipif(NODE is None, reason="node is not installed")
@pytest.mark.parametrize("task", ["classify", "detect", "segment"])
def test_javascript_decodes_as_python_does(tmp_path, small, photo, task):
    folder, graph = tmp_path / "bundle", in_bgr(small(task))
    uo.export_bundle(graph, folder, ["onnx"])
    outputs = run_reference(graph, {"image": prepare(str(photo), graph.spec.input)})
    given = [{"data": outputs[o.name].ravel().tolist(), "dims": outputs[o.name].shape} for o in graph.spec.outputs]
    anchors = (folder / "anchors.json").read_text() if task == "detect" else "[]"
    code = (
        f"import {{decode, prepare}} from {json.dumps(str(folder / 'onnx' / 'run.mjs'))};"
        f"const answer = decode({json.dumps(given)}, {json.dumps(graph.spec.labels)}, {anchors});"
        "const pixels = new Uint8ClampedArray(4 * 32 * 32).map((_, i) => i % 251);"
        "console.log(JSON.stringify({answer, x: Array.from(prepare(pixels))}));"
    )
    done = subprocess.run([NODE, "--input-type=module", "-e", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    with uo.load(folder / "onnx" / f"small_{task}.onnx") as net:
        want = _expected(net, task, photo)
        pixels = (np.arange(4 * 32 * 32) % 251).astype(np.uint8).reshape(32, 32, 4)[..., :3]
        squeezed = net.spec.input.preparation.model_copy(update={"resize": "squeeze"})
        prepared = prepare(pixels, net.spec.input.model_copy(update={"preparation": squeezed}))
    np.testing.assert_allclose(found["x"], prepared.ravel(), atol=1e-5)
    if task == "segment":
        mask = np.array(list(found["answer"]["mask"].values()))
        assert {graph.spec.labels[k]: float((mask == k).mean()) for k in np.unique(mask)} == want
    elif task == "detect":
        assert [(f["label"], f["score"]) for f in found["answer"]] == [
            (w["label"], pytest.approx(w["score"], rel=0, abs=1e-3)) for w in want
        ]
        boxes = np.array([f["box"] for f in found["answer"]]) * [800, 532, 800, 532]
        np.testing.assert_allclose(boxes, [w["box"] for w in want], atol=0.1)
    else:
        assert found["answer"] == _nearly(want)


WEB = """
export class Tensor {}
export const InferenceSession = {
  create: async url => ({run: async () => ({logits: {data: [0, 2, 1], dims: [1, 3]}, url})})
};
globalThis.asked = [];
globalThis.fetch = async url => (asked.push(url.href), {text: async () => "cat\\ndog \\nowl \\n"});
globalThis.OffscreenCanvas = class {
  getContext() {
    return {drawImage: (_, ...where) => asked.push(where), getImageData: () => ({data: new Uint8Array(4096)})};
  }
};
"""


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_javascript_finds_its_files_and_the_size_of_a_video(tmp_path, small):
    folder = tmp_path / "bundle"
    uo.export_bundle(small("classify"), folder, ["onnx"])
    web = folder / "onnx" / "node_modules" / "onnxruntime-web"
    web.mkdir(parents=True)
    (web / "index.mjs").write_text(WEB)
    (web / "package.json").write_text('{"exports": "./index.mjs"}')
    code = (
        f"import {{predict}} from {json.dumps((folder / 'onnx' / 'run.mjs').as_uri())};"
        "const answer = await predict({videoWidth: 64, videoHeight: 32, width: 0, height: 0});"
        "console.log(JSON.stringify({asked, labels: answer.map(a => a.label)}));"
    )
    done = subprocess.run([NODE, "--input-type=module", "-e", code], cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["labels"] == ["dog ", "owl ", "cat"]
    labels, where = found["asked"]
    assert labels == (folder / "labels.txt").as_uri()
    scale = 1 / 0.875
    assert where == pytest.approx([(32 - 64 * scale) / 2, (32 - 32 * scale) / 2, 64 * scale, 32 * scale])


def test_programs_of_phones_name_their_file_and_leave_nothing_open(tmp_path, small):
    pytest.importorskip("coremltools")
    pytest.importorskip("ai_edge_litert")
    for task in ("classify", "detect", "segment"):
        uo.export_bundle(small(task), tmp_path / task, ["coreml", "litert"])
        for path in (tmp_path / task / "coreml" / "Run.swift", tmp_path / task / "litert" / "Run.kt"):
            text = path.read_text()
            assert f"small_{task}" in text
            assert "${" not in text
            assert text.count("{") == text.count("}")


def test_float16_is_held_against_the_float32_file(tmp_path, small):
    bundle = uo.export_bundle(small("classify"), tmp_path / "bundle", ["onnx"], "float16")
    (form,) = bundle.forms
    assert form.file == "onnx/small_classify.float16.onnx"
    assert 0 < form.nmse < 1e-5
    assert bundle.source == "onnx/small_classify.onnx"


def test_format_without_float16_stays_float32_in_such_a_bundle(tmp_path, small, monkeypatch):
    """ExecuTorch's row, with LiteRT's writer in the place of ExecuTorch's."""
    pytest.importorskip("ai_edge_litert")
    row = replace(read_back.FORMATS[".tflite"], dtypes=("float32",))
    monkeypatch.setattr(read_back, "FORMATS", {**read_back.FORMATS, ".tflite": row})
    for module in (write, forms):
        monkeypatch.setattr(module, "FORMATS", read_back.FORMATS)
    bundle = uo.export_bundle(small("classify"), tmp_path / "bundle", ["onnx", "litert"], "float16")
    assert [(form.format, form.dtype) for form in bundle.forms] == [("onnx", "float16"), ("litert", "float32")]
    assert uo.verify_bundle(tmp_path / "bundle").passed


def test_onnx_needs_no_torch(tmp_path, small):
    (tmp_path / "small.onnx").write_bytes(to_onnx(small("classify")))
    names = [name for name in ("onnx", "litert", "openvino", "ncnn") if name in INSTALLED]
    code = (
        "import sys, underone as uo\n"
        f"uo.export_bundle('small.onnx', 'bundle', {names})\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_failed_format_leaves_the_old_bundle(tmp_path, small, monkeypatch):
    pytest.importorskip("openvino")
    folder = tmp_path / "bundle"
    uo.export_bundle(small("classify"), folder, ["onnx"])
    before = (folder / "bundle.json").read_text()
    row = read_back.FORMATS[".xml"]

    def wrong(graph, path, dtype):
        doubled = {**graph.constants, "fc": 2 * graph.constants["fc"]}
        row.write(replace(graph, constants=doubled), path, dtype)

    monkeypatch.setattr(read_back, "FORMATS", {".xml": replace(row, write=wrong)})
    with pytest.raises(ParityFailed, match=r"small_classify\.xml was not written"):
        uo.export_bundle(small("classify"), folder, ["openvino"])
    assert (folder / "bundle.json").read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_form_that_fails_its_photographs_leaves_nothing(tmp_path, small, monkeypatch):
    def none(form, reference):
        raise BadValue("no answer")

    monkeypatch.setattr(forms, "agreement", none)
    with pytest.raises(ParityFailed, match=r"^onnx/small_classify\.onnx was not written: no answer$"):
        uo.export_bundle(small("classify"), tmp_path / "bundle", ["onnx"])
    assert not list(tmp_path.iterdir())


def test_formats_that_cannot_be_written_are_told_before_the_first_is(tmp_path, small, monkeypatch):
    monkeypatch.setattr(write, "export", lambda *_: pytest.fail("something was written"))
    monkeypatch.delenv("UNDERONE_EXECUTORCH", raising=False)
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"^ExecuTorch"):
        uo.export_bundle(small("classify"), tmp_path / "bundle", ["onnx", "executorch"])
    monkeypatch.setattr(read_back, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"export to \.param needs the package ncnn"):
        uo.export_bundle(small("classify"), tmp_path / "bundle", ["onnx", "ncnn"])


def test_inputs_of_another_shape_are_other_inputs(small):
    form = forms.remembered(Form("reference", small("classify").spec, dict))
    zeros = np.zeros((2, 3), np.float32)
    assert form.run({"image": zeros})["image"].shape == (2, 3)
    assert form.run({"image": zeros.T})["image"].shape == (3, 2)


def test_filter_that_pillow_lacks_has_no_programs(tmp_path, small):
    graph = small("classify")
    how = graph.spec.input.preparation.model_copy(update={"interpolation": "bilinear_corner"})
    image = graph.spec.input.model_copy(update={"preparation": how})
    graph = replace(graph, spec=graph.spec.model_copy(update={"inputs": (image,)}))
    uo.export_bundle(graph, tmp_path / "bundle", ["onnx"])
    assert not list((tmp_path / "bundle").glob("*/run.*"))


@pytest.fixture
def bundle(tmp_path, small):
    uo.export_bundle(
        small("classify"), tmp_path / "bundle", ["onnx", "openvino"] if find_spec("openvino") else ["onnx"]
    )
    return tmp_path / "bundle"


def rewrite(folder, **changes):
    record = json.loads((folder / "bundle.json").read_text())
    record["sha256"] |= changes.pop("sha256", {})
    (folder / "bundle.json").write_text(json.dumps(record | changes))


def test_changed_missing_and_foreign_files_are_named(bundle, tmp_path):
    (bundle / "labels.txt").write_text("dog\n")
    (bundle / "spec.json").unlink()
    with pytest.raises(BadFile, match=r"missing or changed since it was written: labels\.txt, spec\.json$"):
        uo.verify_bundle(bundle)
    rewrite(bundle, sha256={"../photo": "0" * 64})
    with pytest.raises(BadFile, match=r"names files outside its folder: \.\./photo$"):
        uo.verify_bundle(bundle)
    with pytest.raises(BadFile, match=r"is no bundle: it has no bundle\.json$"):
        uo.verify_bundle(tmp_path)
    (bundle / "bundle.json").write_text("{}")
    with pytest.raises(BadFile, match=r"no valid Bundle"):
        uo.verify_bundle(bundle)
    with (bundle / "bundle.json").open("wb") as file:
        file.truncate((1 << 24) + 1)
    with pytest.raises(BadFile, match=r"has 16,777,217 bytes; at most"):
        uo.verify_bundle(bundle)


def test_forms_without_a_sum_or_of_folders_are_no_forms(bundle):
    record = json.loads((bundle / "bundle.json").read_text())
    (first, *_) = record["forms"]
    rewrite(bundle, forms=[first | {"file": "onnx/none.onnx"}])
    with pytest.raises(BadFile, match=r"missing or changed since it was written: onnx/none\.onnx$"):
        uo.verify_bundle(bundle)
    rewrite(bundle, forms=[first | {"file": ""}])
    with pytest.raises(BadFile, match=r"no valid Bundle.*file"):
        uo.verify_bundle(bundle)
    rewrite(bundle, forms=[first | {"file": "onnx"}])
    (found,) = uo.verify_bundle(bundle).forms
    assert found.passed is False
    assert "Is a directory" in found.notes[0]


def test_weights_that_are_others_are_found_though_their_sum_is_right(bundle):
    pytest.importorskip("openvino")
    weights = bundle / "openvino" / "small_classify.bin"
    content = bytearray(weights.read_bytes())
    content[2000:2400] = content[2400:2800]
    weights.write_bytes(content)
    rewrite(bundle, sha256={"openvino/small_classify.bin": sha256_of(weights)})
    found = uo.verify_bundle(bundle)
    assert [form.passed for form in found.forms] == [True, False]
    assert not found.passed


def test_engine_that_is_missing_or_unknown_is_told(bundle, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setattr(read_back, "find_spec", lambda name: None)
    found = uo.verify_bundle(bundle)
    assert [form.passed for form in found.forms] == [True, None]
    assert "running OpenVINO needs the package openvino" in found.forms[1].notes[0]
    assert found.passed
    record = json.loads((bundle / "bundle.json").read_text())
    rewrite(bundle, forms=[record["forms"][1] | {"format": "other"}])
    assert "unknown format 'other'" in uo.verify_bundle(bundle).forms[0].notes[0]


def test_what_cannot_be_bundled_is_one_line(tmp_path, small):
    graph = small("classify")
    with pytest.raises(UnknownName, match=r"unknown format 'ncn'\. Did you mean 'ncnn'\?"):
        uo.export_bundle(graph, tmp_path / "a", ["ncn"])
    (tmp_path / "photos").mkdir()
    with pytest.raises(BadFile, match=r"photos is there and no bundle; name a new folder$"):
        uo.export_bundle(graph, tmp_path / "photos", ["onnx"])
    with pytest.raises(BadFile, match=r"the folder .*none does not exist; create it first"):
        uo.export_bundle(graph, tmp_path / "none" / "a", ["onnx"])
    spec = graph.spec.model_copy(update={"labels": ("a", "b\nc", "d")})
    with pytest.raises(BadValue, match=r"has labels of several lines; labels\.txt holds one a line"):
        uo.export_bundle(replace(graph, spec=spec), tmp_path / "a", ["onnx"])
    assert [p.name for p in tmp_path.iterdir()] == ["photos"]


def test_network_without_answers_has_no_programs(tmp_path):
    from underone.graph import Graph

    node = Node("Relu", ("x",), ("y",), {}, "y")
    graph = Graph((node,), (Value("x", (1, 4)),), (Value("y", (1, 4)),), {})
    bundle = uo.export_bundle(graph, tmp_path / "bundle", ["onnx"])
    assert bundle.forms[0].agreement is None
    assert not list((tmp_path / "bundle").glob("*/run.*"))
    assert isinstance(Bundle.read(Path(tmp_path / "bundle")), Bundle)
