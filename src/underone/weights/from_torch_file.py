"""Read the tensors of a .pth, .pth.tar, .pt or .ckpt file, never a program."""

import math
import pickle
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadFile, MissingExtra
from .store import Weights

SUFFIXES = (".pth", ".tar", ".pt", ".ckpt", ".bin")

# where training scripts keep the weights, averaged ones first: they are the ones meant for use
_WRAPPERS = ("state_dict_ema", "model_ema", "ema_state_dict", "ema", "state_dict", "model_state_dict", "model")
_LARGEST = 1 << 32  # bytes once unpacked
_DEEPEST = 8  # wrappers inside wrappers
# what torch.load, whose unpickler checks little, raises on bytes that are no pickle or a damaged one
DAMAGE = (
    RuntimeError, EOFError, ValueError, LookupError, ArithmeticError, MemoryError, TypeError, AttributeError,
    AssertionError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
_AVERAGED_COUNTER = "n_averaged"  # torch.optim.swa_utils.AveragedModel counts its updates beside the weights


def read_torch_file(path: str | Path) -> Weights:
    """Read the state dict of a torch file with `weights_only=True`, out of the usual wrappers.

    `state_dict`, `model`, `model_ema` and the like are unwrapped, a common "module." before all names is taken away.

    Returns:
        Tensor names of the file → arrays; bfloat16 becomes float32.

    Raises:
        BadFile: the file is missing, truncated, holds code or no state dict, or unpacks to more than 4 GiB.
        MissingExtra: torch is not installed.
    """
    path = Path(path)
    found = _load(path)
    state = _unwrap(found)
    bad = [name for name, value in state.items() if not _is_tensor(name, value)]
    if bad or not state:
        held = f"{bad[0]!r} is a {type(state[bad[0]]).__name__}" if bad else "it holds no tensor"
        raise BadFile(f"{path}: no state dict (names → tensors): {held}; save model.state_dict() and give that file")
    size = sum(map(_bytes_of, state.values()))  # many tensors may share one storage
    if size > _LARGEST:
        raise BadFile(f"{path}: its tensors take {size} bytes; at most {_LARGEST} are read")
    return {name: _to_array(tensor, f"{path}: {name!r}") for name, tensor in _without_module(state).items()}


def _load(path: Path) -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtra(f"reading {path.name}", "torch", "train") from error
    try:
        _refuse_inflation(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks on pickle protocols; the file is read or refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadFile(
            f"{path} holds Python code or is damaged, and was not run: only tensors are read; "
            "save model.state_dict() alone and give that file"
        ) from error
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror or error}") from error
    except DAMAGE as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadFile(f"{path}: truncated, or no torch file: {reason}") from error


def _refuse_inflation(path: Path) -> None:
    """Refuse a zip that would unpack to more than any network of ours needs."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _LARGEST:
            raise ValueError(f"it unpacks to {size} bytes; at most {_LARGEST} are read")


def _unwrap(found: Any) -> dict[str, Any]:
    for _ in range(_DEEPEST):  # a pickle may hold itself
        inner = [found[key] for key in _WRAPPERS if isinstance(found, dict) and isinstance(found.get(key), dict)]
        found = inner[0] if inner else found
    return dict(found) if isinstance(found, dict) else {"the file": found}


def _is_tensor(name: object, value: object) -> bool:
    return isinstance(name, str) and hasattr(value, "detach") and hasattr(value, "numpy")


def _without_module(state: dict[str, Any]) -> dict[str, Any]:
    state = {name: tensor for name, tensor in state.items() if name != _AVERAGED_COUNTER}
    wrapped = all(name.startswith("module.") for name in state)
    return {name.removeprefix("module."): tensor for name, tensor in state.items()} if wrapped else state


def _bytes_of(tensor: Any) -> int:
    size: int = math.prod(tensor.shape) * tensor.element_size()
    return size


def _to_array(tensor: Any, where: str) -> np.ndarray:
    plain = tensor.detach()
    try:
        stored = plain.untyped_storage().nbytes()
        if _bytes_of(plain) > stored:  # strides of 0 make any size of a few bytes
            raise ValueError(f"its shape {tuple(plain.shape)} stands on {stored} bytes")
        return np.array((plain.float() if str(plain.dtype) == "torch.bfloat16" else plain).numpy())
    except (TypeError, ValueError, RuntimeError) as error:  # sparse, quantised, without data, of a type numpy lacks
        reason = str(error).splitlines()[0].partition(". ")[0]
        raise BadFile(f"{where} is no plain array ({reason}); save tensors with all their values") from error
