"""Detectors from the JPEG file to the boxes, against onnxruntime with torchvision's transform and post-processing.

    python benchmarks/detection.py [--rounds 15] [network …]

The peers run the same file in onnxruntime; torchvision resizes and normalises. "torchvision" is the post-processing of
its SSD class, "lean" the least that its operators can do: softmax, threshold, decode what is left, `batched_nms`. One
thread, one picture at a time, in turns; the boxes are compared first. Networks have random heads on batch norms that
have seen photographs, and a threshold that 100 candidates of a picture pass, as with a trained one. A sample is the
mean over the pictures in one pass. Then what decoding costs beside the network (1917 anchors, 91 classes), and
suppression of 10,000 boxes against a loop in numpy and against torchvision. Writes Records into benchmarks/detection/.
"""

import argparse
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import torch
import torchvision
from PIL import Image
from torchvision import transforms
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.ssd import SSD
from torchvision.ops import batched_nms
from turns import clocked, in_turns, over

import underone as uo
from underone.bench import Record, ratio, write_records
from underone.bench.record import Protocol
from underone.boxes import anchor_boxes, corners, iou, nms
from underone.errors import ParityFailed
from underone.files import make_folder
from underone.fold.trial import trial_inputs
from underone.image import photographs, prepare
from underone.nn.statistics import randomize_statistics
from underone.post import decode_detection, find_boxes

RESULTS = Path(__file__).with_name("detection")
NETWORKS = ["ssdlite320_mobileone_s0", "ssdlite320_mobilenet_v2_100"]
CLASSES, CANDIDATES = 90, 100
DECODED = "ssdlite300_mobilenet_v2_100"  # 1917 anchors

Found = tuple[Any, Any, Any]  # boxes in pixels, scores, class ids


def make(name: str, folder: Path, files: Sequence[bytes]) -> Path:
    """Write a folded detector whose threshold lets about `CANDIDATES` scores of a picture through."""
    torch.manual_seed(0)
    model = uo.create_model(name, num_classes=CLASSES)
    shape = tuple(model.spec.input.shape[1:])
    randomize_statistics(model, torch.cat(list(trial_inputs(model, shape).values())))
    net = uo.load(uo.export(uo.reparameterize(model), folder / f"{name}.onnx"), threads=1)
    how = model.spec.detection
    scores = [shares(net.run(prepare(content, net.spec.input))["logits"][0], how) for content in files]
    threshold = gap(np.sort(np.concatenate([s.ravel() for s in scores]))[::-1], CANDIDATES * len(files))
    detection = how.model_copy(update={"score_threshold": threshold})
    model.spec = model.spec.model_copy(update={"detection": detection})
    return uo.export(uo.reparameterize(model), folder / f"{name}.onnx")


def gap(scores: np.ndarray, about: int) -> float:
    """Return the middle of the widest gap near a rank, so that rounding takes no score across the threshold."""
    near = scores[about * 9 // 10 : about * 11 // 10]
    widest = int((near[:-1] - near[1:]).argmax())
    return float(near[widest : widest + 2].mean())


def shares(logits: np.ndarray, how: Any) -> np.ndarray:
    scores = torch.sigmoid(torch.tensor(logits)) if how.activation == "sigmoid" else torch.tensor(logits).softmax(1)
    return scores.numpy()[:, 1:]


class Peer:
    """The same file in onnxruntime, with torchvision on both sides."""

    def __init__(self, path: Path, spec: Any, lean: bool) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        how, image = spec.detection, spec.input
        self.transform = transforms.Compose([
            transforms.Resize(image.size), transforms.ToTensor(),
            transforms.Normalize(image.preparation.mean, image.preparation.std),
        ])  # fmt: skip
        self.size = image.size
        self.anchors = torch.tensor(corners(anchor_boxes(how.anchors))) * self._scale(self.size)
        self.how = SimpleNamespace(
            box_coder=BoxCoder(weights=(10.0, 10.0, 5.0, 5.0)), score_thresh=how.score_threshold,
            topk_candidates=how.top_k, nms_thresh=how.iou_threshold, detections_per_img=how.max_detections,
        )  # fmt: skip
        self.decode = self._lean if lean else self._whole

    def __call__(self, content: bytes) -> Found:
        """Find the objects in a JPEG file."""
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        tensor = self.transform(picture)[None].numpy()
        codes, logits = map(torch.from_numpy, self.session.run(["box_codes", "logits"], {"image": tensor}))
        boxes, scores, labels = self.decode(codes, logits)
        return boxes * self._scale(picture.size[::-1]) / self._scale(self.size), scores, labels - 1

    def _whole(self, codes: torch.Tensor, logits: torch.Tensor) -> Found:
        outputs = {"bbox_regression": codes, "cls_logits": logits}
        [found] = SSD.postprocess_detections(self.how, outputs, [self.anchors], [self.size])
        return found["boxes"], found["scores"], found["labels"]

    def _lean(self, codes: torch.Tensor, logits: torch.Tensor) -> Found:
        scores = logits[0].softmax(1)
        rows, classes = torch.where(scores[:, 1:] > self.how.score_thresh)
        boxes = self.how.box_coder.decode_single(codes[0, rows], self.anchors[rows])
        boxes = torchvision.ops.clip_boxes_to_image(boxes, self.size)
        chosen = scores[rows, classes + 1]
        kept = batched_nms(boxes, chosen, classes, self.how.nms_thresh)[: self.how.detections_per_img]
        return boxes[kept], chosen[kept], classes[kept] + 1

    @staticmethod
    def _scale(size: tuple[int, int]) -> torch.Tensor:
        return torch.tensor([size[1], size[0], size[1], size[0]])


def of_engine(net: uo.Engine) -> Callable[[bytes], Found]:
    def call(content: bytes) -> Found:
        found = net.detect(content)
        return found.boxes, found.scores, found.class_ids

    return call


def check(calls: dict[str, Callable[[bytes], Found]], files: Sequence[bytes]) -> None:
    """Require the same objects of all: IoU 0.99, scores within 1e-3."""
    for number, content in enumerate(files):
        wanted, *others = ([np.asarray(part) for part in call(content)] for call in calls.values())
        for name, found in zip(list(calls)[1:], others, strict=True):
            if len(found[1]) != len(wanted[1]) or not len(wanted[1]):
                raise ParityFailed(f"{name} finds {len(found[1])} boxes on picture {number}, ours {len(wanted[1])}")
            same = (iou(wanted[0], found[0]) >= 0.99) & (wanted[2][:, None] == found[2][None])
            same &= abs(wanted[1][:, None] - found[1][None]) <= 1e-3
            if not same.any(1).all() or not same.any(0).all():
                raise ParityFailed(f"{name} finds other boxes on picture {number}")
        print(f"picture {number}: the same {len(wanted[1])} boxes by all")


def measured(calls: dict[str, Callable[[], object]], per_call: int, rounds: int, model: str) -> list[Record]:
    """Time calls in turns; a sample is milliseconds of a `per_call`-th."""
    timed = {name: clocked(call, per_call) for name, call in calls.items()}
    protocol = Protocol(input="JPEG files" if per_call > 1 else "made up", warmup=1)
    packages = ("onnxruntime", "torch", "torchvision")
    return in_turns(timed, protocol, rounds, packages=packages, model=model, threads=1)


def report(records: Sequence[Record]) -> None:
    for r in records:
        print(f"{r.model:34} {r.engine:26} median {r.median_ms:8.3f} ms  takes {ratio(r, records[0])}  {r.verdict}")
    write_records(records, make_folder(RESULTS))


def end_to_end(path: Path, files: Sequence[bytes], rounds: int) -> None:
    net = uo.load(path, "native", threads=1)
    calls = {
        "native": of_engine(net),
        "onnxruntime torchvision": Peer(path, net.spec, lean=False),
        "onnxruntime lean": Peer(path, net.spec, lean=True),
    }
    check(calls, files)
    report(measured({name: over(files, call) for name, call in calls.items()}, len(files), rounds, net.spec.name))


def decoding(path: Path, files: Sequence[bytes], rounds: int) -> None:
    """Decoding alone beside the network alone."""
    net = uo.load(path, "native", threads=1)
    tensors = [prepare(content, net.spec.input) for content in files]
    outputs = [net.run(tensor) for tensor in tensors]
    sizes = [(300, 300)] * len(files)
    calls = {
        "network": lambda: [net.run(tensor) for tensor in tensors],
        "decoding": lambda: [decode_detection(o, net.spec, size=s) for o, s in zip(outputs, sizes, strict=True)],
    }
    found = [len(find_boxes(o, net.spec).scores) for o in outputs]
    rows = "x".join(map(str, outputs[0]["logits"].shape[1:]))
    print(f"decoding {rows} into {min(found)} to {max(found)} boxes")
    report(measured(calls, len(files), rounds, f"{net.spec.name} decoding"))


def numpy_loop(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    """The loop that everybody writes: the best box, its overlap with all that are left, and again."""
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    order, kept = scores.argsort()[::-1], []
    while order.size:
        i = order[0]
        kept.append(int(i))
        width = np.maximum(0.0, np.minimum(x2[i], x2[order[1:]]) - np.maximum(x1[i], x1[order[1:]]))
        height = np.maximum(0.0, np.minimum(y2[i], y2[order[1:]]) - np.maximum(y1[i], y1[order[1:]]))
        both = width * height
        order = order[1:][both / (areas[i] + areas[order[1:]] - both) <= threshold]
    return kept


def suppression(rounds: int, count: int = 10_000) -> None:
    rng = np.random.default_rng(0)
    corner, size = rng.uniform(0, 1, (count, 2)), rng.uniform(0.02, 0.2, (count, 2))
    boxes = np.concatenate([corner, corner + size], 1).astype(np.float32)
    scores = rng.permutation(count).astype(np.float32) / count
    tensors = torch.from_numpy(boxes), torch.from_numpy(scores)
    one = torch.zeros(count, dtype=torch.int64)
    wanted = batched_nms(*tensors, one, 0.5).tolist()
    if not wanted == nms(boxes, scores, 0.5).tolist() == numpy_loop(boxes, scores, 0.5):
        raise ParityFailed("suppression keeps other boxes")
    calls: dict[str, Callable[[], object]] = {
        "native": lambda: nms(boxes, scores, 0.5),
        "torchvision": lambda: batched_nms(*tensors, one, 0.5),
        "numpy loop": lambda: numpy_loop(boxes, scores, 0.5),
    }
    print(f"suppression of {count} boxes keeps {len(wanted)}, the same by all")
    report(measured(calls, 1, rounds, f"suppression {count}"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Detectors from file to boxes.")
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = [photo.content for photo in photographs()]
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for name in options.networks:
            end_to_end(make(name, Path(folder), files), files, options.rounds)
        decoding(make(DECODED, Path(folder), files), files, options.rounds)
    suppression(min(options.rounds, 5))


if __name__ == "__main__":
    main()
