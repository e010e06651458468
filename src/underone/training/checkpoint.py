"""The state of a run on disk: written as a whole or not at all, read without unpickling anything but tensors."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import BadFile
from ..files import atomic_write, make_folder
from ..weights.from_torch_file import DAMAGE

FILE = Path("last", "state.pt")
VERSION = 2
KEYS = (
    "recipe", "data", "step", "model", "average", "optimizer", "scaler", "forms", "sums", "history", "best",
    "unreadable", "seconds",
)  # fmt: skip


def write_state(folder: Path, state: dict[str, Any]) -> Path:
    """Write the state of a run; the one before stays until this one is complete.

    Args:
        folder: of the run.
        state: tensors, numbers, texts, lists and dicts of those.

    Raises:
        BadFile: it cannot be written; the old state is untouched.
    """
    path = folder / FILE
    make_folder(path.parent)
    with atomic_write(path) as temporary:
        try:
            torch.save({"version": VERSION, **state}, temporary)
        except RuntimeError as error:  # torch's zip writer on a full disk
            raise OSError(str(error).splitlines()[0]) from error
    return path


def read_state(folder: Path) -> dict[str, Any]:
    """Read the state of a run.

    Raises:
        BadFile: there is none, it is damaged, or of a newer version.
    """
    path = folder / FILE
    try:
        if not zipfile.is_zipfile(path):  # torch reads bare pickles too
            raise ValueError("it is missing, cut short, or of another kind")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, pickle.UnpicklingError, *DAMAGE) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadFile(f"{path} is no state of a run that can be read: {reason}") from error
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise BadFile(f"{path} is the state of another version; start anew, or with the version that wrote it")
    return state


def require_whole(folder: Path, state: Mapping[str, Any]) -> None:
    """Do nothing with a state that a run wrote.

    Raises:
        BadFile: it lacks something.
    """
    missing = [key for key in KEYS if key not in state]
    if missing:
        raise BadFile(f"{folder / FILE} is no state of a run: it lacks {', '.join(missing)}; name another folder")


def has_state(folder: Path) -> bool:
    """Tell whether a run left a state."""
    return (folder / FILE).is_file()
