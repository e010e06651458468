"""Weights into a network, all of them or none, and out of it into a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadValue, WeightsMismatch
from ..spec import ModelSpec
from .store import write_safetensors

if TYPE_CHECKING:
    from torch import nn

_COUNTER = "num_batches_tracked"  # no part of the network's function, left out by some writers


def load_strict(model: "nn.Module", weights: Mapping[str, NDArray[Any]], name: str) -> None:
    """Copy weights into `model`, each value cast to the dtype that the model has.

    Args:
        model: any module; it is changed only when everything fits.
        weights: names of the model's state dict → arrays; the batch norms' counters may be absent.
        name: the model's name, for the error.

    Raises:
        WeightsMismatch: tensors are missing, unexpected or of another shape; every one is listed.
    """
    import torch

    state = model.state_dict()
    faults = _faults({key: tuple(tensor.shape) for key, tensor in state.items()}, weights)
    if faults:
        raise WeightsMismatch(
            f"{len(faults)} of {len(state)} tensors do not fit {name!r}:\n    "
            + "\n    ".join(faults)
            + _cure(state, weights)
        )
    with torch.no_grad():
        for key, array in weights.items():
            state[key].copy_(torch.from_numpy(np.require(array, requirements="W")))


def save_weights(model: "nn.Module", path: str | Path) -> Path:
    """Write a model's weights and spec to a .safetensors file that `create_model(name, weights=path)` reads.

    Args:
        model: of `create_model` or `reparameterize`; it is not changed.
        path: ends in .safetensors.

    Raises:
        BadValue: the model has no spec, or one with other labels than its head has outputs.
        BadFile: another suffix, or the file cannot be written.
    """
    spec = getattr(model, "spec", None)
    if not isinstance(spec, ModelSpec):
        raise BadValue(
            f"a {type(model).__name__} without .spec; only models of create_model and reparameterize are saved"
        )
    prefix = "backbone." if spec.task == "features" else ""  # a file has the names of the whole model
    weights = {prefix + name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}
    if "head.bias" in weights:
        spec.require_labels_for(len(weights["head.bias"]))
    elif spec.classes is not None:
        spec.require_labels_for(spec.classes)
    return write_safetensors(path, weights, spec)


def _faults(shapes: Mapping[str, tuple[int, ...]], weights: Mapping[str, NDArray[Any]]) -> list[str]:
    width = max((len(key) for key in {*shapes, *weights}), default=0)
    rows = []
    for key in [*shapes, *(key for key in weights if key not in shapes)]:
        given, wanted = (weights[key].shape if key in weights else None), shapes.get(key)
        if given != wanted and not (given is None and key.endswith(_COUNTER)):
            rows.append(f"{key:{width}}  file {_shown(given):20} model {_shown(wanted)}")
    return rows


def _shown(shape: tuple[int, ...] | None) -> str:
    return "has none" if shape is None else str(shape)


def _cure(state: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> str:
    """Name the cure for the usual case: another number of classes."""
    file, model = weights.get("head.bias"), state.get("head.bias")
    if file is None or model is None or file.shape == tuple(model.shape):
        return ""
    return f"\n    The file has {file.shape[0]} classes: pass num_classes={file.shape[0]}."
