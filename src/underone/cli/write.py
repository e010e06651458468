"""The command `export`: a name, a checkpoint or an ONNX file into the file that the suffix of the output names."""

from pathlib import Path
from typing import Literal, cast

from ..compare import Verdict
from ..formats import export
from ..spec import ModelSpec


def export_source(
    source: str,
    output: Path,
    dtype: Literal["float32", "float16"] = "float32",
    form: Literal["folded", "training"] = "folded",
    nms: bool = False,
) -> Verdict:
    """Export what the source stands for; return the verdict that was written with it."""
    if source.lower().endswith(".onnx"):
        return _beside(export(Path(source), output, dtype=dtype, nms=nms))
    from ..conversion import open_model
    from ..fold import reparameterize

    model = open_model(source)
    if form == "folded" and cast(ModelSpec, model.spec).form != "folded":
        model = reparameterize(model)
    return _beside(export(model, output, dtype=dtype, nms=nms))


def _beside(path: Path) -> Verdict:
    proof = path.with_name(path.name + ".verdict.json")
    return Verdict.from_json(proof.read_bytes(), str(proof))
