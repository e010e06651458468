"""Segmenters from the picture to the coloured overlay, beside the network alone and against onnxruntime with torch.

    python benchmarks/segmentation.py [--rounds 15] [--models DIR] [network …]

The peer runs the same file in onnxruntime; torchvision resizes and normalises, torch enlarges the logits and takes the
greatest, Pillow lays the colours of a palette over the picture: the usual example. One thread, one picture at a time,
in turns; the classes of all pixels are compared first. Networks have random heads on batch norms that have seen
photographs. A sample is the mean over the pictures in one pass, which are decoded or come as JPEG files as the name
says. Then the memory that each needs in a process of its own, at its peak, beyond the imported libraries (Linux).
Writes Records and memory.json into benchmarks/segmentation/. For the networks alone, against all engines:
`benchmarks/engines.py`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from PIL import Image
from torchvision import transforms
from turns import clocked, in_turns, over

import underone as uo
from underone.bench import Record, ratio, write_records
from underone.bench.record import Protocol
from underone.errors import ParityFailed
from underone.files import make_folder
from underone.fold.trial import trial_inputs
from underone.image import indexed_mask, photographs, prepare, read_image
from underone.nn.statistics import randomize_statistics

RESULTS = Path(__file__).with_name("segmentation")
NETWORKS = ["deeplabv3light_mobilenet_v2_100", "deeplabv3plus_mobilenet_v2_100"]
TIES = 1e-3  # share of pixels at which rounding may decide
COVER = 150 / 255  # how much of the picture a colour hides


def make(name: str, folder: Path) -> Path:
    """Write a folded segmenter whose batch norms have seen photographs, unless it is there."""
    path = folder / f"{name}.onnx"
    if path.exists():
        return path
    torch.manual_seed(3)
    model = uo.create_model(name)
    randomize_statistics(model, torch.cat(list(trial_inputs(model).values())))
    return uo.export(uo.reparameterize(model), path)


class Peer:
    """The same file in onnxruntime, with torchvision, torch and Pillow around it."""

    def __init__(self, path: Path, spec: Any) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        how = spec.input.preparation
        self.transform = transforms.Compose([
            transforms.Resize(spec.input.size), transforms.ToTensor(), transforms.Normalize(how.mean, how.std)
        ])  # fmt: skip
        self.corners = spec.segmentation.alignment == "corners"

    def classes(self, picture: np.ndarray) -> np.ndarray:
        """Return the class of each pixel of a decoded picture."""
        tensor = self.transform(Image.fromarray(picture))[None].numpy()
        [logits] = self.session.run(["logits"], {self.session.get_inputs()[0].name: tensor})
        large = torch.nn.functional.interpolate(
            torch.from_numpy(logits), picture.shape[:2], mode="bilinear", align_corners=self.corners
        )
        return large[0].argmax(0).to(torch.uint8).numpy()

    def __call__(self, picture: np.ndarray) -> Image.Image:
        """Lay the colours of the classes over a decoded picture."""
        colored = indexed_mask(self.classes(picture)).convert("RGB")
        return Image.blend(Image.fromarray(picture), colored, COVER)


def check(net: uo.Engine, peer: Peer, pictures: Sequence[np.ndarray]) -> None:
    for number, picture in enumerate(pictures):
        differ = float(np.mean(net.segment(picture).mask != peer.classes(picture)))
        print(f"picture {number}, {picture.shape[1]} x {picture.shape[0]}: {differ:.2e} of the pixels differ")
        if differ > TIES:
            raise ParityFailed(f"onnxruntime gives other classes on picture {number}")


def whole(path: Path, rounds: int) -> None:
    """Compare, time in turns, print and write."""
    net = uo.load(path, "native", threads=1)
    files = [photo.content for photo in photographs()]
    pictures = [np.asarray(Image.fromarray(read_image(f)).resize(net.spec.input.size[::-1])) for f in files]
    tensors = [prepare(picture, net.spec.input) for picture in pictures]
    peer = Peer(path, net.spec)
    check(net, peer, pictures)
    calls = {
        "native network": over(tensors, net.run),
        "native overlay": over(pictures, lambda p: net.segment(p).overlay()),
        "native file to overlay": over(files, lambda f: net.segment(f).overlay()),
        "onnxruntime torch overlay": over(pictures, peer),
    }
    timed = {name: clocked(call, len(files)) for name, call in calls.items()}
    protocol = Protocol(input="photo", warmup=1)
    packages = ("onnxruntime", "torch", "torchvision")
    records = in_turns(timed, protocol, rounds, packages=packages, model=net.spec.name, threads=1)
    report(records)


def report(records: Sequence[Record]) -> None:
    for r in records:
        print(f"{r.model:34} {r.engine:26} median {r.median_ms:8.3f} ms  takes {ratio(r, records[0])}  {r.verdict}")
    write_records(records, make_folder(RESULTS))


MEMORY = """
import sys
from pathlib import Path
import numpy as np
import torch, onnxruntime, underone as uo
sys.path.insert(0, sys.argv[1])
from segmentation import Peer

def resident(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024

path, engine = Path(sys.argv[2]), sys.argv[3]
picture = np.random.default_rng(0).integers(0, 255, (513, 513, 3), dtype=np.uint8)
spec = uo.load(path, "reference").spec
before = resident("VmRSS")
net = uo.load(path, "native", threads=1) if engine == "native" else Peer(path, spec)
for _ in range(3):
    net.segment(picture).overlay() if engine == "native" else net(picture)
print(resident("VmHWM") - before)
"""


def memory(paths: Sequence[Path]) -> None:
    """Print and write the megabytes of every network on both."""
    found = {}
    for path in paths:
        for engine in ("native", "onnxruntime"):
            command = [sys.executable, "-c", MEMORY, str(Path(__file__).parent), str(path), engine]
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found[f"{path.stem} {engine}"] = round(float(answer), 1)
    print(json.dumps(found, indent=1))
    (make_folder(RESULTS) / "memory.json").write_text(json.dumps({"peak_megabytes": found}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Segmenters from picture to overlay.")
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--models", type=Path, help="folder that networks are written into, and kept for another time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        paths = [make(name, options.models or Path(folder)) for name in options.networks]
        for path in paths:
            whole(path, options.rounds)
        memory(paths)


if __name__ == "__main__":
    main()
