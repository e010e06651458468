"""Networks as others write them: exported by torch in both ways, and published files, against onnxruntime."""

import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
import torchvision
from timm.utils import reparameterize_model

from underone import settings
from underone.compare import difference
from underone.graph import Graph, count, infer_shapes, read_onnx, run_reference, to_onnx

# mobileone.md 4.1: parameters, MACs of the folded network, MACs of the training graph; mobilenet: see the tests
MOBILEONE = {
    "mobileone_s0": (2_078_504, 275_110_400, 1_051_935_232),
    "mobileone_s1": (4_764_840, 825_057_024, 830_062_080),
    "mobileone_s2": (7_808_168, 1_298_426_496, 1_304_027_392),
    "mobileone_s3": (10_078_312, 1_895_790_592, 1_902_112_768),
    "mobileone_s4": (14_838_352, 2_979_269_760, 2_986_802_432),
}


def build(name: str) -> torch.nn.Module:
    """A network in eval mode whose batch norms do something, with outputs that stay finite."""
    torch.manual_seed(3)
    source, _, model = name.rpartition(":")
    net = getattr(torchvision.models, model)() if source else timm.create_model(model)
    generator = torch.Generator().manual_seed(5)
    for m in net.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            for t, low, high in ((m.weight, 0.3, 0.7), (m.bias, -0.1, 0.1), (m.running_mean, -0.2, 0.2)):
                t.data.uniform_(low, high, generator=generator)
            m.running_var.uniform_(0.5, 1.5, generator=generator)
        elif isinstance(m, torch.nn.Conv2d) and m.bias is not None:
            m.bias.data.uniform_(-0.1, 0.1, generator=generator)  # torch's exporter stores equal tensors once
    return net.eval()


def exported(net: torch.nn.Module, dynamo: bool, size: int = 224) -> bytes:
    """Write with torch's own exporter, the batch open."""
    x, file = torch.randn(2, 3, size, size), io.BytesIO()
    names: dict[str, Any] = {"input_names": ["image"], "output_names": ["logits"]}
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, about its own exporter
            if dynamo:
                shapes = ({0: torch.export.Dim("batch")},)
                program = torch.onnx.export(net, (x,), dynamo=True, dynamic_shapes=shapes, verbose=False, **names)
                assert program is not None
                return program.model_proto.SerializeToString()
            axes = {"image": {0: "batch"}, "logits": {0: "batch"}}
            torch.onnx.export(net, (x,), file, dynamo=False, dynamic_axes=axes, opset_version=17, **names)
            return file.getvalue()
    finally:
        logging.disable(logging.NOTSET)


def by_onnxruntime(data: bytes, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    engine = onnxruntime.InferenceSession(data, options)
    return dict(zip([o.name for o in engine.get_outputs()], engine.run(None, inputs), strict=True))


def check(data: bytes, graph: Graph, batch: int, nmse: float = 1e-10) -> None:
    """Reference, rewritten file and original file give the same; writing is stable."""
    rng = np.random.default_rng(1)
    shapes = {v.name: [batch if d is None else d for d in v.shape] for v in graph.inputs}
    inputs = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    want, written = by_onnxruntime(data, inputs), to_onnx(graph)
    got, again = run_reference(graph, inputs), by_onnxruntime(written, inputs)
    for name, values in want.items():
        assert difference(got[name], values)[0] < nmse
        assert difference(again[name], values)[0] < nmse
    assert to_onnx(read_onnx(written)) == written


def check_shapes(graph: Graph) -> None:
    """Shapes of all tensors are those that onnx infers from the rewritten file, where no shape is computed."""
    model = onnx.ModelProto.FromString(to_onnx(graph))
    for value in model.graph.input:
        if value.name == "image":
            value.type.tensor_type.shape.dim[0].dim_value = 5
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    ours = infer_shapes(graph, batch=5)
    compared = 0
    for value in (*inferred.value_info, *inferred.output):
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
        if value.name in ours and all(dims) and value.name not in graph.constants:
            assert ours[value.name].shape == tuple(dims), value.name
            compared += 1
    assert compared >= 0.95 * len(graph.nodes)


@pytest.mark.parametrize(
    ("name", "dynamo"),
    [
        ("mobileone_s0", False),
        ("mobilenetv2_100", False),
        ("mobilenetv2_100", True),
        ("torchvision:mobilenet_v3_small", False),
        pytest.param("torchvision:mobilenet_v2", True, marks=pytest.mark.slow),
        pytest.param("mobileone_s4", True, marks=pytest.mark.slow),
        pytest.param("mobilevit_xxs", False, marks=pytest.mark.slow),
        pytest.param("mobilevit_xxs", True, marks=pytest.mark.slow),
        pytest.param("deit_tiny_patch16_224", False, marks=pytest.mark.slow),
        pytest.param("deit_tiny_patch16_224", True, marks=pytest.mark.slow),
        pytest.param("ghostnet_050", True, marks=pytest.mark.slow),
        pytest.param("efficientnet_lite0", True, marks=pytest.mark.slow),
        pytest.param("torchvision:shufflenet_v2_x0_5", False, marks=pytest.mark.slow),
        pytest.param("torchvision:squeezenet1_1", True, marks=pytest.mark.slow),
    ],
)
def test_exported_network_gives_the_numbers_of_onnxruntime(name: str, dynamo: bool) -> None:
    data = exported(build(name), dynamo)
    graph = read_onnx(data, name)
    assert graph.inputs[0].shape == (None, 3, 224, 224)
    assert graph.outputs[0].shape == (None, 1000)
    check(data, graph, batch=2)
    check_shapes(graph)


@pytest.mark.parametrize("name", MOBILEONE)
def test_mobileone_counts_are_the_published_ones(name: str) -> None:
    params, macs, macs_training = MOBILEONE[name]
    net = build(name)
    folded = count(read_onnx(exported(reparameterize_model(net), dynamo=False)))
    assert (folded.params, folded.macs) == (params, macs)
    assert folded.bytes_weights == 4 * params
    assert sum(row.params for row in folded.nodes) == params
    assert count(read_onnx(exported(net, dynamo=False))).macs == macs_training


def test_mobilenet_v2_counts_are_the_published_ones() -> None:
    graph = read_onnx(exported(build("torchvision:mobilenet_v2"), dynamo=False))
    # torchvision's model table: 3,504,872 parameters with 2 x 17,056 of batch norms, of which biases stay when folded;
    # 300.8 M multiply-accumulates
    assert count(graph).macs == 300_774_272
    assert graph.params == 3_504_872 - 17_056
    assert count(graph, batch=3).macs == 3 * 300_774_272


@pytest.fixture(scope="module", params=["RFB", "slim"])
def face_detector(request: pytest.FixtureRequest) -> Path:
    folder = settings.assets_dir()
    if folder is None:
        pytest.skip("UNDERONE_ASSETS is not set")
    return folder / "weights" / "ultraface" / f"version-{request.param}-320.onnx"


def test_published_face_detector_gives_the_numbers_of_onnxruntime(face_detector: Path) -> None:
    graph = read_onnx(face_detector)
    assert [v.name for v in graph.inputs] == ["input"]  # the weights that the file lists as inputs are none
    assert [(v.name, v.shape) for v in graph.outputs] == [("scores", (1, 4420, 2)), ("boxes", (1, 4420, 4))]
    check(face_detector.read_bytes(), graph, batch=1)


def test_published_face_detector_has_its_parameters(face_detector: Path) -> None:
    graph = read_onnx(face_detector)
    published = (
        281_135 if "RFB" in face_detector.name else 264_757
    )  # README of the assets, counters of batches included
    counters = sum(1 for node in graph.nodes if node.op == "BatchNormalization")
    decoding = 4420 * (4 + 2) + 4  # boxes are decoded inside: priors, their centres, two variances, two halves
    assert graph.params == published - counters + decoding
