"""How the packaged weights are made from the folder of a run, and what every form of them scores.

    python benchmarks/packaged_weights.py score MODEL DATA          the table of the card, from the packaged file
    python benchmarks/packaged_weights.py pack RUN "SOURCE"         folds, writes file and recipe into the package
    python benchmarks/packaged_weights.py quantize MODEL DATA       writes the file in 8 bits into the package

DATA is the folder of the data set's parts (train, validation, test). SOURCE says where the training began. `pack`
prints the figures of the row in `underone.weights.hub`, `quantize` those in `underone.runtime.packaged`; the card is
written by hand. Its row "training form" is the score on the test pictures that the run wrote into its result.json.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from torch import nn

import underone as uo
from underone.errors import ParityFailed
from underone.evaluation import ClassScore
from underone.files import sha256_of
from underone.training import recipe_of
from underone.training.recipes import write_recipe

PACKAGED = Path(uo.__file__).parent / "weights" / "packaged"
LICENCE = "Apache-2.0; {}: BSD-3-Clause code, trained on ImageNet (research terms); pictures: CC0-1.0"
ENGINES = {
    "float32": (("native", "float32"), ("native", "bfloat16"), ("onnxruntime", None)),
    "float16": (("native", None), ("onnxruntime", None)),
}


def pack(run: Path, source: str) -> None:
    """Fold the kept weights of a run, and write them as float16 beside their recipe."""
    recipe = recipe_of(str(run / "recipe.yaml"))
    folded = uo.reparameterize(uo.create_model(recipe.model, weights=run / "weights" / "best.safetensors"))
    licence = LICENCE.format("the teacher's start" if recipe.teacher else "the start")
    known = {"weights": "clothing10", "source": source, "licence": licence, "published": None}
    folded.spec = folded.spec.model_copy(update=known)
    file = PACKAGED / f"{recipe.model}.clothing10.safetensors"
    uo.save_weights(folded.half(), file)
    teacher = recipe.teacher and "mobilenet_v2_100.clothing10.onnx"  # not where it lay
    write_recipe(recipe.changed(teacher=teacher), file.with_suffix(".yaml"))
    print(f"{file.name}: {file.stat().st_size:_} bytes, sha256 {sha256_of(file)}")


def forms(model: str, test: Path, folder: Path) -> Iterator[tuple[str, ClassScore | str]]:
    """Score every form of packaged weights; where export refuses one, give the reason."""
    net = uo.create_model(model, weights="clothing10")
    yield "folded, torch, float32", uo.evaluate(net, test)
    for dtype, engines in ENGINES.items():
        path, refusal = exported(net, folder / f"{dtype}.onnx", dtype)
        for engine, precision in engines:
            name = f"ONNX of {dtype}, {engine}" + (f", {precision}" if precision else "")
            yield name, refusal or uo.evaluate(path, test, backend=engine, precision=precision)
    for engine in ("native", "onnxruntime"):
        yield f"ONNX of int8, {engine}", uo.evaluate(quantized_file(model), test, backend=engine)


def exported(net: nn.Module, path: Path, dtype: str) -> tuple[Path, str]:
    """Write the file; return its path, and why it was refused, if it was."""
    try:
        return uo.export(net, path, dtype=dtype), ""
    except ParityFailed as refusal:
        return path, str(refusal).splitlines()[0].removeprefix(f"{path} was ")


def quantized_file(model: str) -> Path:
    return PACKAGED / f"{model}.clothing10_int8.onnx"


def quantize(model: str, data: Path) -> None:
    """Write the packaged weights in 8 bits, by pictures of the training part and the default remedies."""
    net, file = uo.create_model(model, weights="clothing10"), quantized_file(model)
    uo.quantize(net, data / "train", file)
    file.with_name(f"{file.name}.verdict.json").unlink()  # stands in the file too
    print(f"{file.name}: {file.stat().st_size:_} bytes, sha256 {sha256_of(file)}")


def score(model: str, data: Path) -> None:
    """Print the table of the card."""
    print("| form | top-1 % | balanced % | cross entropy |\n|---|---|---|---|")
    scored = []
    with tempfile.TemporaryDirectory() as folder:
        for name, found in forms(model, data / "test", Path(folder)):
            if isinstance(found, str):
                print(f"| {name} | {found} | | |", flush=True)
                continue
            scored.append(found)
            print(f"| {name} | {found.top1:.2f} | {found.balanced:.2f} | {found.loss:.4f} |", flush=True)
    print(" · ".join(f"{c} {s:.0f} %" for c, s in zip(scored[-1].classes, scored[-1].by_class, strict=True)))


if __name__ == "__main__":
    verb, first, second = sys.argv[1:]
    if verb == "pack":
        pack(Path(first), second)
    else:
        {"score": score, "quantize": quantize}[verb](first, Path(second))
