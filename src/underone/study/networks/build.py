"""Every network of the studies as an ONNX file: built with random weights, folded, written, proven."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from ...compare import ROUNDING, Verdict, compare_outputs
from ...conversion import convert
from ...errors import MissingExtra, UnderOneError, UnknownName
from ...files import fetch
from ...fold import reparameterize
from ...fold.trial import trial_inputs
from ...formats import export
from ...graph import Graph, read_onnx, run_reference
from ...image import photographs
from ...nn.statistics import randomize_statistics
from ...quantization import quantize
from ...spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec
from ...trace import spec_of, trace
from ...weights import REAL_FILES
from ...zoo import create_model
from ...zoo.statistics import settle_statistics
from ..cases import Case
from .activations import ACTIVATIONS
from .mobile_former import MobileFormer
from .mobilenext import MobileNeXt
from .thirty_layers import DEPTHS, ThirtyLayers

HERE: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {
        "mobilenext_100": MobileNeXt,
        "mobilenext_140": lambda: MobileNeXt(1.4),
        "mobile_former_52m": lambda: MobileFormer("52m"),
        "mobile_former_96m": lambda: MobileFormer("96m"),
    }
)
LAYERS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {name: {"activation": name} for name in ACTIVATIONS}
    | {f"branches_{k}": {"branches": k} for k in (1, 2, 4)}
    | {f"plain_{depth}": {"depth": depth} for depth in DEPTHS}
    | {"skips": {"skips": True}}
)
_OF_FILES = "converted:"  # sources that are files of `REAL_FILES`
# timm builds both with swish; the paper's table has them with ReLU
_RELU = {"tinynet_d": {"act_layer": "relu"}, "tinynet_e": {"act_layer": "relu"}}


def build(case: Case, folder: Path) -> Path:
    """Write the network of a case, unless it stands there already.

    Weights are random and the same every time; batch norms have seen photographs. What the paper folds is folded. The
    file takes any batch and pictures of the case's size.

    Args:
        case: which one.
        folder: for the files; it must exist.

    Returns:
        The path of the file.

    Raises:
        UnknownName: there is no such network.
        MissingExtra: the package that has it is not installed.
        Unsupported, ParityFailed: it cannot be written, or the file computes something else.
    """
    path = case.path(folder)
    if path.exists():
        return path
    if case.precision == "int8":
        plain = build(case.model_copy(update={"precision": "float32"}), folder)
        return quantize(plain, [photo.content for photo in photographs()], path)
    if case.source.startswith(_OF_FILES):
        return _converted(case.source.removeprefix(_OF_FILES), path)
    torch.manual_seed(0)
    model = make(case)
    images = torch.cat(list(trial_inputs(model, (3, case.size, case.size)).values()))
    if spec_of(model).task in ("detect", "segment"):  # they have batch norms on maps of one pixel
        settle_statistics(model, (case.size, case.size))
    else:
        randomize_statistics(model, images)
    if case.form == "folded":
        model = _folded(model, case.source)
    if case.source.startswith("zoo:"):
        return export(model, path, size=(case.size, case.size))
    try:
        return export(trace(model, _spec(case)), path)
    except UnderOneError:
        return export(_by_torch(model, images[:1], _spec(case)), path)


def _converted(name: str, path: Path) -> Path:
    """Fetch a trained network of another framework and convert it."""
    if name not in REAL_FILES:
        raise UnknownName("trained file", name, REAL_FILES)
    beside = name.replace("caffemodel", "prototxt")  # Caffe keeps the network beside the weights
    with tempfile.TemporaryDirectory() as folder:
        for one in dict.fromkeys((name, beside)):
            shutil.copy(fetch(REAL_FILES[one]), folder)
        convert(Path(folder) / REAL_FILES[name].name, path)
    return path


def make(case: Case) -> nn.Module:
    """Build the network of a case in training form, with random weights, in eval mode.

    Raises:
        UnknownName: there is no such network.
        MissingExtra: the package that has it is not installed.
    """
    origin, _, name = case.source.partition(":")
    if origin not in ORIGINS:
        raise UnknownName("source of networks", origin, ORIGINS)
    return ORIGINS[origin](name).eval()


def _of_timm(name: str) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise MissingExtra(f"the network {name}", "timm", "dev") from error
    if name not in timm.list_models():
        raise UnknownName("network of timm", name, timm.list_models())
    model: nn.Module = timm.create_model(name, **_RELU.get(name, {}))
    return model


def _of_torchvision(name: str) -> nn.Module:
    try:
        from torchvision import models
    except ImportError as error:
        raise MissingExtra(f"the network {name}", "torchvision", "train") from error
    if name not in models.list_models():
        raise UnknownName("network of torchvision", name, models.list_models())
    model: nn.Module = models.get_model(name, weights=None)
    return model


def _of_here(name: str) -> nn.Module:
    if name not in HERE:
        raise UnknownName("network of the studies", name, HERE)
    return HERE[name]()


def _of_layers(name: str) -> nn.Module:
    if name not in LAYERS:
        raise UnknownName("network of 30 layers", name, LAYERS)
    return ThirtyLayers(**LAYERS[name])


ORIGINS: Mapping[str, Callable[[str], nn.Module]] = MappingProxyType(
    {
        "zoo": create_model,
        "timm": _of_timm,
        "torchvision": _of_torchvision,
        "here": _of_here,
        "layers": _of_layers,
    }
)


def _folded(model: nn.Module, source: str) -> nn.Module:
    """Fold what we can fold; timm folds its own RepVGG."""
    if not source.startswith("timm:"):
        return reparameterize(model) if source.startswith(("zoo:", "layers:")) else model
    from timm.utils import reparameterize_model

    folded: nn.Module = reparameterize_model(model)
    return folded


def _spec(case: Case) -> ModelSpec:
    image = InputSpec(name="image", shape=(None, 3, case.size, case.size), preparation=IMAGENET_PREPARATION)
    logits = OutputSpec(name="logits", shape=(None, 1000), meaning="logits")
    return ModelSpec(name=case.file, task="classify", form=case.form, inputs=(image,), outputs=(logits,))


def _by_torch(model: nn.Module, image: torch.Tensor, spec: ModelSpec) -> Graph:
    """Write what our trace does not follow by torch's own exporter; onnxruntime computes what does not depend on input.

    Raises:
        ParityFailed: the graph computes something else than torch.
        Unsupported: it has operations that are not implemented.
    """
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path, simple = Path(folder, "exported.onnx"), Path(folder, "simple.onnx")
        torch.onnx.export(
            model, (image,), path, dynamo=True, external_data=False, verbose=False,
            input_names=["image"], output_names=["logits"],
        )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(simple)
        onnxruntime.InferenceSession(path, options)
        graph = read_onnx(simple)
    with torch.no_grad():
        wanted = {"logits": model(image).numpy()}
    rows = compare_outputs("photo", run_reference(graph, {"image": image.numpy()}), wanted, ROUNDING["float32"])
    Verdict(kind="export", subject=spec.name, reference="torch", comparisons=tuple(rows)).require()
    fixed = spec.inputs[0].model_copy(update={"shape": tuple(image.shape)})
    return replace(graph, spec=spec.model_copy(update={"inputs": (fixed,)}))
