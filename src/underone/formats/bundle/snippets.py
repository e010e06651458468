"""Short programs that run a format and read its outputs, made of templates and the numbers of a spec."""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from ...boxes.coding import MOST_LOG
from ...spec import ModelSpec, Preparation
from ..plain_names import plain_name
from .agreement import TASKS
from .record import BundledForm

_FOLDER = files(__package__) / "templates"
_PACKAGES = {
    "onnx": "onnxruntime",
    "openvino": "openvino",
    "litert": "ai-edge-litert",
    "ncnn": "ncnn",
    "executorch": "executorch",
}
# format -> file of a further program, its language, its templates
_OTHERS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "onnx": ("run.mjs", "javascript", ("javascript",)),
    "coreml": ("Run.swift", "swift", ("swift",)),
    "litert": ("Run.kt", "kotlin", ("kotlin_litert", "kotlin", "kotlin_{task}")),
    "executorch": ("Run.kt", "kotlin", ("kotlin_executorch", "kotlin", "kotlin_{task}")),
}
_SCORES = ("logits", "probabilities")
_FILTERS = {"nearest": "NEAREST", "bilinear": "BILINEAR", "bicubic": "BICUBIC"}  # as Pillow has them


def write_snippets(folder: Path, spec: ModelSpec, forms: Iterable[BundledForm]) -> None:
    """Write the programs beside each format; none where the spec does not say what goes in and what comes out."""
    if not _is_known(spec):
        return
    for form in forms:
        where = folder / form.format
        if form.format in _PACKAGES:
            values = _values(spec, form, "python")
            run, decode = (_filled(f"python_{part}", values).strip() for part in (form.format, spec.task))
            text = _filled("python", {**values, "run": run, "decode": f"\n{decode}\n"})
            (where / "run.py").write_text(text, encoding="utf-8")
        if form.format in _OTHERS and spec.input.shape[1] == 3:
            name, language, parts = _OTHERS[form.format]
            values = _values(spec, form, language)
            values["decode"] = _filled(f"{language}_{spec.task}", values).rstrip("\n")
            text = "".join(_filled(part.format(task=spec.task), values) for part in parts)
            (where / name).write_text(text, encoding="utf-8")


def _is_known(spec: ModelSpec) -> bool:
    """Whether the spec says enough, and nothing that the programs do not do."""
    how = spec.detection
    if spec.task == "detect":
        codes = any(output.meaning == "box_codes" for output in spec.outputs)
        if how is None or not codes or how.nms != "hard" or not how.per_class:
            return False
    prepared = spec.input.preparation
    if prepared is None or prepared.interpolation not in _FILTERS:
        return False
    picture = spec.input.layout == "NCHW" and None not in spec.input.size
    return picture and spec.task in TASKS and _position(spec, *_SCORES) is not None


def _position(spec: ModelSpec, *meanings: str) -> int | None:
    """Say which output means one of these."""
    return next((i for i, output in enumerate(spec.outputs) if output.meaning in meanings), None)


def _filled(template: str, values: Mapping[str, str]) -> str:
    return Template((_FOLDER / f"{template}.txt").read_text("utf-8")).substitute(values)


def _values(spec: ModelSpec, form: BundledForm, language: str) -> dict[str, str]:
    """Give every number and name of the templates as a text of that language."""
    values = {**_of_files(spec, form), **_of_pictures(spec), **_of_outputs(spec, form), **_of_boxes(spec)}
    return {name: value if isinstance(value, str) else _literal(value, language) for name, value in values.items()}


def _literal(value: object, language: str) -> str:
    return repr(value) if language == "python" else json.dumps(value)


def _of_files(spec: ModelSpec, form: BundledForm) -> dict[str, object]:
    file = Path(form.file)
    names = [output.name for output in spec.outputs]
    return {
        "name": plain_name(spec.name), "title": form.format, "script": f"{form.format}/run.py",
        "package": _PACKAGES.get(form.format, ""), "file": file.name, "stem": file.stem,
        "weights": f"{file.stem}.ncnn.bin", "input": json.dumps(spec.input.name), "outputs": names,
        "plain_input": plain_name(spec.input.name), "plain_outputs": list(map(plain_name, names)), "count": len(names),
    }  # fmt: skip


def _of_pictures(spec: ModelSpec) -> dict[str, object]:
    how, (height, width) = spec.input.preparation or Preparation(), spec.input.size
    turned = how.color == "BGR"
    return {
        "height": height, "width": width, "filter": _FILTERS[how.interpolation], "crop_ratio": how.crop_ratio,
        "mode": "L" if how.color == "GRAY" else "RGB", "step": -1 if turned else 1,
        "low": how.range[0], "span": how.range[1] - how.range[0], "mean": list(how.mean), "std": list(how.std),
        "mean_list": _listed(how.mean, "f"), "std_list": _listed(how.std, "f"), "cover": how.resize == "cover",
        "scale": "centerCrop" if how.resize == "cover" else "scaleFill",
        "channels": "intArrayOf(2, 1, 0)" if turned else "intArrayOf(0, 1, 2)",
    }  # fmt: skip


def _of_outputs(spec: ModelSpec, form: BundledForm) -> dict[str, object]:
    scores = _position(spec, *_SCORES) or 0
    last = form.format == "litert"
    return {
        "scores": scores, "scores_name": plain_name(spec.outputs[scores].name),
        "meaning": spec.outputs[scores].meaning or "", "softmax": spec.outputs[scores].meaning == "logits",
        "classes": spec.classes or 1, "lies": "channels last" if last else "channels first",
        "place": "i * classes + c" if last else "c * points + i",
    }  # fmt: skip


def _of_boxes(spec: ModelSpec) -> dict[str, object]:
    """Give what a detector says of its boxes."""
    codes, how = _position(spec, "box_codes"), spec.detection
    if codes is None or how is None:
        return {"anchors": ""}
    turned, variances = how.code == "yxhw", how.variances
    order = [1, 0, 3, 2] if turned else [0, 1, 2, 3]
    return {
        "anchors": ', await (await beside("../anchors.json")).json()',
        "codes": codes, "codes_name": plain_name(spec.outputs[codes].name),
        "order": order, "order_list": _listed(order), "variances": list(variances), "most_log": MOST_LOG,
        "variances_list": _listed(variances), "log": how.sizes == "log", "clip_first": how.clip_boxes == "before",
        "activation": how.activation,
        "background": how.background, "threshold": how.score_threshold, "iou": how.iou_threshold,
        "top_k": how.top_k, "per_class": how.max_per_class, "most": how.max_detections,
    }  # fmt: skip


def _listed(values: Sequence[float], suffix: str = "") -> str:
    return ", ".join(f"{value}{suffix}" for value in values)
