"""Core ML packages: what is in them, read by coremltools' own protobuf classes, and what they compute."""

import numpy as np
import pytest

import underone as uo
from underone.compare import Verdict, difference
from underone.foreign import read_foreign
from underone.graph import Graph, Node, Value, run_reference
from underone.image import photograph, prepare
from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec

SIZE = 33  # odd: padding below and right differs from that above and left


def network(seed=0, task="classify", color="RGB", size=SIZE):
    """A small network with every kind of step that a folded classifier has, and weights that keep a signal alive."""
    rng = np.random.default_rng(seed)
    weights = {
        "stem": rng.standard_normal((8, 3, 3, 3)) / 3, "stem.bias": rng.standard_normal(8),
        "depthwise": rng.standard_normal((8, 1, 3, 3)) / 2, "head": rng.standard_normal((5, 8)) / 3,
        "head.bias": rng.standard_normal(5),
    }  # fmt: skip
    nodes = (
        Node("Conv", ("image", "stem", "stem.bias"), ("/a",), {"strides": (2, 2), "pads": (0, 0, 1, 1)}, "/a"),
        Node("Clip", ("/a",), ("/b",), {"min": 0.0, "max": 6.0}, "/b"),
        Node("Conv", ("/b", "depthwise"), ("/c",), {"group": 8, "pads": (1, 1, 1, 1)}, "/c"),
        Node("Add", ("/b", "/c"), ("/d",), {}, "/d"),
        Node("GlobalAveragePool", ("/d",), ("/e",), {}, "/e"),
        Node("Flatten", ("/e",), ("/f",), {}, "/f"),
        Node("Gemm", ("/f", "head", "head.bias"), ("logits",), {"transB": 1}, "logits"),
    )
    how = IMAGENET_PREPARATION.model_copy(update={"color": color})
    spec = ModelSpec(
        name="small",
        task=task,
        inputs=(InputSpec(shape=(None, 3, size, size), preparation=how),),
        outputs=(OutputSpec(name="logits", shape=(None, 5), meaning="logits"),),
        labels=("ant", "bee", "cat", "dog", "elk"),
        licence="MIT",
    )
    constants = {n: w.astype(np.float32) for n, w in weights.items()}
    image = Value("image", (None, 3, size, size))
    return Graph(nodes, (image,), (Value("logits", (None, 5)),), constants, spec)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return uo.export(network(), tmp_path_factory.mktemp("coreml") / "small.mlpackage")


def described(path):
    """The model of a package as coremltools reads it."""
    from coremltools.proto import Model_pb2

    return Model_pb2.Model.FromString((path / "Data/com.apple.CoreML/model.mlmodel").read_bytes())


def test_package_takes_a_picture_and_names_what_it_sees(package):
    model = described(package)
    (image,) = model.description.input
    kind = image.type.imageType
    assert (image.name, kind.width, kind.height) == ("image", SIZE, SIZE)
    assert kind.ColorSpace.Name(kind.colorSpace) == "RGB"
    assert [o.name for o in model.description.output] == ["classLabel", "classLabel_probs", "logits"]
    assert model.description.predictedFeatureName == "classLabel"
    assert model.description.metadata.license == "MIT"
    assert model.specificationVersion == 6  # iOS 15


def test_picture_is_prepared_exactly_once(package):
    network_of_the_file = read_foreign(package).graph(outputs=["classLabel_probs", "logits"])
    graph = network()
    picture = photograph()
    prepared = prepare(picture, graph.spec.input)
    plain = {"range": (0, 255), "mean": (0,) * 3, "std": (1,) * 3}
    how = graph.spec.input.preparation.model_copy(update=plain)
    bytes_alone = prepare(picture, graph.spec.input.model_copy(update={"preparation": how}))
    assert set(np.unique(bytes_alone)) <= set(range(256))
    want = run_reference(graph, {"image": prepared})["logits"]
    got = run_reference(network_of_the_file, {"image": bytes_alone})
    assert difference(got["logits"], want)[0] < 1e-11
    scores = np.exp(want) / np.exp(want).sum()
    np.testing.assert_allclose(got["classLabel_probs"], scores, rtol=1e-4)


def test_verdict_lies_beside_the_package(package):
    verdict = Verdict.from_json(package.with_name("small.mlpackage.verdict.json").read_text())
    assert verdict.passed
    assert {row.on for row in verdict.comparisons} == {
        f"{p}, reference" for p in ("photo", "noise", "zeros", "extremes")
    }
    assert set(verdict.facts["sha256"]) >= {"Manifest.json", "Data/com.apple.CoreML/model.mlmodel"}
    assert verdict.facts["params"] == 8 * 27 + 8 + 8 * 9 + 45 + 6  # with factor and summand of three channels
