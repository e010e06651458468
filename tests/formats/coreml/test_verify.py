"""verify: packages with planted faults are told from right ones, and the first tensor that differs is named."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("coremltools")

import underone as uo
from underone.errors import BadFile, MissingExtra, ParityFailed
from underone.formats import coreml, read_back
from underone.formats.take_bytes import take_bytes
from underone.graph import Graph, Node, Value, to_onnx
from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec

SIZE = 33


def segmenter(pads=(0, 0, 1, 1), corners="align_corners", gain=1.0, color="RGB"):
    """A picture halved, worked on and brought back to its size; TensorFlow's padding, below and right only."""
    rng = np.random.default_rng(0)
    constants = {
        "stem": rng.standard_normal((6, 3, 3, 3)) / 3,
        "stem.bias": rng.standard_normal(6),
        "gain": np.full(1, gain),
        "back": np.full(1, 1 / gain),
        "head": rng.standard_normal((4, 6, 1, 1)),
    }
    sizes = {"sizes": (0, 0, SIZE, SIZE), "mode": "linear", "coordinate_transformation_mode": corners}
    nodes = (
        Node("Conv", ("image", "stem", "stem.bias"), ("stem/out",), {"strides": (2, 2), "pads": pads}, "stem/out"),
        Node("Relu", ("stem/out",), ("act",), {}, "act"),
        Node("Mul", ("act", "gain"), ("louder",), {}, "louder"),
        Node("Mul", ("louder", "back"), ("quieter",), {}, "quieter"),
        Node("Conv", ("quieter", "head"), ("small",), {}, "small"),
        Node("Resize", ("small",), ("logits",), sizes, "logits"),
    )
    how = IMAGENET_PREPARATION.model_copy(update={"color": color, "resize": "squeeze"})
    spec = ModelSpec(
        name="bands",
        task="segment",
        inputs=(InputSpec(shape=(None, 3, SIZE, SIZE), preparation=how),),
        outputs=(OutputSpec(name="logits", shape=(None, 4, SIZE, SIZE), meaning="logits"),),
    )
    constants = {n: np.asarray(c, np.float32) for n, c in constants.items()}
    image, logits = Value("image", (None, 3, SIZE, SIZE)), Value("logits", (None, 4, SIZE, SIZE))
    return Graph(nodes, (image,), (logits,), constants, spec)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    path = tmp_path_factory.mktemp("reference") / "bands.onnx"
    path.write_bytes(to_onnx(segmenter()))
    return path


def package(folder, graph, dtype="float32"):
    """Write a package without asking whether it is right."""
    path = folder / "bands.mlpackage"
    coreml.write_package(graph, path, dtype)
    return path


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_right_package_is_verified(tmp_path, reference, dtype, color):
    source = tmp_path / "bands.onnx"
    source.write_bytes(to_onnx(segmenter(color=color)))
    verdict = uo.verify(package(tmp_path, segmenter(color=color), dtype), source)
    assert verdict.passed, str(verdict)
    assert verdict.worst.nmse < (1e-11 if dtype == "float32" else 1e-5)
    assert ("drift" in verdict.facts) == (dtype == "float16")


def swapped(graph):
    """The stem's channels in the other order, the border said to be as before."""
    return replace(graph, constants={**graph.constants, "stem": graph.constants["stem"][:, ::-1].copy()})


def prepared_twice(graph):
    """Bytes are brought to the network's range, and then once more."""
    once = take_bytes(graph)
    how = graph.spec.input
    return replace(once, spec=once.spec.model_copy(update={"inputs": (how,)}))


FAULTS = {
    "swapped channels": (lambda: swapped(segmenter()), "'stem_out' (Conv)"),
    "preparation twice": (lambda: prepared_twice(segmenter()), "'stem_out' (Conv)"),
    "padding on all sides": (lambda: segmenter(pads=(1, 1, 1, 1)), "'stem_out' (Conv)"),
    "padding above and left": (lambda: segmenter(pads=(1, 1, 0, 0)), "'stem_out' (Conv)"),
    "other corners": (lambda: segmenter(corners="half_pixel"), "'logits' (Resize)"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_package_with_a_fault_is_refused_and_the_place_named(tmp_path, reference, fault, dtype):
    make, place = FAULTS[fault]
    verdict = uo.verify(package(tmp_path, make(), dtype), reference)
    assert not verdict.passed
    named = " ".join(verdict.notes).replace("_float16", "")
    assert f"the first tensor that differs is {place}" in named


def test_package_for_pictures_in_the_other_order_is_refused(tmp_path, reference):
    verdict = uo.verify(package(tmp_path, segmenter(color="BGR")), reference)
    assert not verdict.passed


@pytest.mark.parametrize("size", [224, 257, 300, 513])
@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-10), ("float16", 1e-5)])
def test_tensorflows_padding_is_kept_at_every_size(tmp_path, two_heads, size, dtype, limit):
    verdict = uo.verify(uo.export(two_heads(size), tmp_path / "same.mlpackage", dtype))
    assert max(row.nmse for row in verdict.comparisons) < limit


def test_export_of_a_file_imports_no_torch(tmp_path, reference):
    """coremltools would import it to look at its version."""
    code = (
        "import sys, underone; underone.export(sys.argv[1], sys.argv[2]); "
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code, str(reference), str(tmp_path / "bands.mlpackage")], check=True)


def test_overflow_in_float16_is_named_and_nothing_is_written(tmp_path):
    path = tmp_path / "bands.mlpackage"
    text = r"overflow in float16: louder.* first tensor that differs is 'louder' \(Mul\)"
    with pytest.raises(ParityFailed, match=text):
        uo.export(segmenter(gain=60000.0), path, "float16")
    assert not list(tmp_path.iterdir())
    uo.export(segmenter(gain=60000.0), path)
    assert path.is_dir()


def test_old_package_stays_until_the_new_one_is_proven(tmp_path, monkeypatch):
    path = uo.export(segmenter(), tmp_path / "bands.mlpackage")
    before = (path / "Manifest.json").read_bytes()

    def wrong(graph, new, dtype, target):
        coreml.write_package(swapped(graph), new, dtype)

    row = replace(read_back.FORMATS[".mlpackage"], write=wrong)
    monkeypatch.setattr(read_back, "FORMATS", {".mlpackage": row})
    with pytest.raises(ParityFailed, match="first tensor that differs"):
        uo.export(segmenter(), path)
    assert (path / "Manifest.json").read_bytes() == before
    monkeypatch.undo()
    uo.export(segmenter(), path, "float16")
    assert (path / "Manifest.json").read_bytes() != before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bands.mlpackage", "bands.mlpackage.verdict.json"]


def test_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(read_back, "find_spec", lambda name: None)
    text = r"^export to \.mlpackage needs the package coremltools; .*pip install 'underone\[coreml\]'"
    with pytest.raises(MissingExtra, match=text):
        uo.export(segmenter(), tmp_path / "bands.mlpackage")


def test_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadFile, match=r"the folder .* does not exist; create it first"):
        uo.export(segmenter(), tmp_path / "none" / "bands.mlpackage")


def test_segmenter_has_what_xcode_previews(tmp_path):
    from coremltools.proto import Model_pb2

    path = package(tmp_path, segmenter())
    model = Model_pb2.Model.FromString((path / "Data/com.apple.CoreML/model.mlmodel").read_bytes())
    about = dict(model.description.metadata.userDefined)
    assert about["com.apple.coreml.model.preview.type"] == "imageSegmenter"
    shown = json.loads(about["com.apple.coreml.model.preview.params"])
    assert shown["labels"] == ["class 0", "class 1", "class 2", "class 3"]
    assert len(set(shown["colors"])) == 4
    assert Path(path).suffix == ".mlpackage"
