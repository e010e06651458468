"""The command `export`: a name, a checkpoint or an ONNX file into one file, or into a bundle of several formats."""

from pathlib import Path
from typing import Any, Literal, cast

from ..compare import Verdict
from ..formats import Bundle, export, export_bundle
from ..formats.bundle.forms import SUFFIXES
from ..spec import ModelSpec


def export_source(
    source: str,
    output: Path,
    form: Literal["folded", "training"] = "folded",
    **options: Any,
) -> Verdict:
    """Export what the source stands for, with options of `export`; return the verdict that was written with it."""
    return _beside(export(_opened(source, form), output, **options))


def bundle_source(
    source: str, output: Path, to: str, form: Literal["folded", "training"], dtype: Literal["float32", "float16"]
) -> Bundle:
    """Write a bundle of what the source stands for; `to` names formats, separated by commas, or is ``all``."""
    names = tuple(SUFFIXES) if to == "all" else [name.strip() for name in to.split(",") if name.strip()]
    return export_bundle(_opened(source, form), output, names, dtype)


def _opened(source: str, form: Literal["folded", "training"]) -> Any:
    """Give the path of an ONNX file, or the module that a name or a checkpoint stands for."""
    if source.lower().endswith(".onnx"):
        return Path(source)
    from ..conversion import open_model
    from ..fold import reparameterize

    model = open_model(source)
    return reparameterize(model) if form == "folded" and cast(ModelSpec, model.spec).form != "folded" else model


def _beside(path: Path) -> Verdict:
    proof = path.with_name(path.name + ".verdict.json")
    return Verdict.from_json(proof.read_bytes(), str(proof))
