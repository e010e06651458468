"""verify_bundle: is every file what it was, and does it still compute the same?"""

from os import PathLike
from pathlib import Path

from ...graph import read_onnx
from .forms import judged, source_of
from .record import Bundle


def verify_bundle(folder: str | PathLike[str]) -> Bundle:
    """Look at the sha256 of every file of a bundle, and run every format again against its ONNX file.

    Returns:
        The record with the figures of now; a form whose engine is not installed has ``passed`` None, and a note.

    Raises:
        BadFile: no bundle, or a file is missing or was changed.
    """
    folder = Path(folder)
    bundle = Bundle.read(folder)
    source = source_of(read_onnx(folder / bundle.source))
    return bundle.model_copy(update={"forms": tuple(judged(folder, form, source) for form in bundle.forms)})
