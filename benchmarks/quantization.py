"""Networks in 8 bits: what our quantiser, onnxruntime's and nncf's keep of them, from the same calibration pictures.

    python benchmarks/quantization.py PICTURES [network.tag …] [--images 256]

PICTURES is the folder of the clothing data (train, validation, test). Every quantiser gets the same pictures of the
training part. onnxruntime's: `quantize_static`, QDQ, int8 weights by channel, uint8 activations, its default
calibration. nncf's: the MIXED preset, with its fast bias correction. Each file runs in onnxruntime. Stated are the
squared error of the outputs over the squared signal and the share of pictures with the same best class, over all
pictures; where the network knows the classes of the data, right answers on the test part; seconds and bytes. A
quantiser that is not installed is left out. Writes one JSON file for each network into benchmarks/quantization/.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import underone as uo
from underone.bench.machine import describe
from underone.data.from_folder import pictures_below
from underone.errors import BadFile
from underone.files import make_folder
from underone.formats.parity import versions_of
from underone.image import prepare
from underone.quantization import REMEDIES
from underone.quantization.pictures import spread

RESULTS = Path(__file__).with_name("quantization")
NETWORKS = ["mobilenet_v2_100.torchvision_in1k", "mobilenet_v2_100.clothing10", "mobileone_s0.clothing10"]
PARTS = ("train", "validation", "test")
_TOGETHER = 16  # pictures in one call

Array = NDArray[Any]
Quantiser = Callable[[Path, Path, Sequence[str], Any], None]  # float file, file to write, pictures, input spec


def ours(remedies: Sequence[str]) -> Quantiser:
    """Return our quantiser with these remedies."""

    def run(source: Path, path: Path, pictures: Sequence[str], spec: Any) -> None:  # noqa: ARG001
        uo.quantize(source, pictures, path, images=len(pictures), remedies=remedies)

    return run


def onnxruntime_static(source: Path, path: Path, pictures: Sequence[str], spec: Any) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(pictures)

        def get_next(self) -> dict[str, Array] | None:
            picture = next(self.left, None)
            return None if picture is None else {spec.name: prepare(picture, spec)}

    ready = path.with_suffix(".ready.onnx")
    quant_pre_process(str(source), str(ready))
    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(str(ready), str(path), Reader(), quant_format=QuantFormat.QDQ, per_channel=True, **types)


def nncf_mixed(source: Path, path: Path, pictures: Sequence[str], spec: Any) -> None:
    import nncf
    import onnx

    data = nncf.Dataset([{spec.name: prepare(picture, spec)} for picture in pictures])
    preset = nncf.QuantizationPreset.MIXED
    onnx.save(nncf.quantize(onnx.load(source), data, subset_size=len(pictures), preset=preset), path)


QUANTISERS: Mapping[str, Quantiser] = {
    "onnxruntime": onnxruntime_static,
    "nncf": nncf_mixed,
    "underone": ours(("equalization", "bias")),
    "underone, all remedies": ours(REMEDIES),
}


def outputs(path: Path, pictures: Sequence[str]) -> Array:
    """Run a file on pictures; return its first output, (N, classes)."""
    with uo.load(path, backend="onnxruntime") as net:
        image, answer = net.spec.input, net.spec.outputs[0].name
        parts = [pictures[i : i + _TOGETHER] for i in range(0, len(pictures), _TOGETHER)]
        batches = (np.concatenate([prepare(p, image) for p in part]) for part in parts)
        return np.concatenate([net.run({image.name: batch})[answer] for batch in batches])


def with_spec(path: Path, source: Path) -> None:
    """Give a file of another quantiser the spec of the network, so that pictures are prepared alike."""
    import onnx

    model, known = onnx.load(path), onnx.load(source)
    del model.metadata_props[:]
    model.metadata_props.extend(p for p in known.metadata_props if p.key == "underone.spec")
    onnx.save(model, path)


def measured(name: str, data: Path, images: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Quantise a network by each quantiser, and compare the files."""
    model, tag = name.rsplit(".", 1)
    source = uo.export(uo.reparameterize(uo.create_model(model, weights=tag)), folder / f"{name}.onnx")
    parts = {part: pictures_below(data / part) for part in PARTS}
    learned = [parts["train"][i] for i in spread(len(parts["train"]), images)]
    everything = [picture for part in PARTS for picture in parts[part]]
    want = outputs(source, everything)
    with uo.load(source) as net:
        spec, labels = net.spec.input, net.spec.labels or ()
    test = slice(len(everything) - len(parts["test"]), None)
    classes = [Path(p).parent.name for p in parts["test"]]
    known = set(classes) <= set(labels)
    for quantiser, run in QUANTISERS.items():
        path, start = folder / f"{name}.{quantiser}.onnx", time.perf_counter()
        try:
            run(source, path, learned, spec)
        except ImportError as reason:
            print(f"{quantiser} is left out: {reason}")
            continue
        seconds = time.perf_counter() - start
        with_spec(path, source)
        got = outputs(path, everything)
        row: dict[str, Any] = {
            "quantizer": quantiser,
            "nmse": float(((got - want) ** 2).sum() / (want.astype(np.float64) ** 2).sum()),
            "same_top1": int((got.argmax(1) == want.argmax(1)).sum()),
            "pictures": len(everything),
            "seconds": round(seconds, 1),
            "bytes": path.stat().st_size,
        }
        if known:
            for key, answers in (("right_float32", want), ("right", got)):
                said = [labels[i] for i in answers[test].argmax(1)]
                row[key] = sum(a == b for a, b in zip(said, classes, strict=True))
            row["test_pictures"] = len(classes)
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--images", type=int, default=256)
    given = parser.parse_args()
    if not (given.pictures / "train").is_dir():
        raise BadFile(f"{given.pictures} has no folder train; the folder of the clothing data is required")
    make_folder(RESULTS)
    for name in given.networks:
        rows = []
        with tempfile.TemporaryDirectory() as folder:
            for row in measured(name, given.pictures, given.images, Path(folder)):
                rows.append(row)
                print(name, " ".join(f"{k}={v:.2e}" if k == "nmse" else f"{k}={v}" for k, v in row.items()), flush=True)
        found = {
            "model": name, "calibration_pictures": given.images, "rows": rows,
            "machine": describe().model_dump(mode="json"), "versions": versions_of("onnxruntime", "nncf"),
        }  # fmt: skip
        (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
