"""What preparation costs: our compiled pass, our Pillow path and torchvision's transform; then JPEG files.

These are the folder's, and a photograph enlarged to 12 megapixels, which is also decoded at a part of its size. Then
the planes of a video frame, into a tensor that is there already.

    python benchmarks/preparation.py [FOLDER [MODEL.onnx]]

FOLDER: JPEG files (default: the packaged photographs). MODEL: a classifier with its preparation, for images a second
from file to answer on two threads (default: that part is left out).

One thread, one picture at a time, engines in turns; the tensors are compared first and must not differ in one bit. A
sample is the mean over the folder in one pass. Writes one Record for each row into benchmarks/preparation/.
"""

import io
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import transforms
from turns import clocked, in_turns, over

import underone as uo
from underone.bench import Record, ratio, write_records
from underone.bench.record import Protocol
from underone.errors import ParityFailed
from underone.files import make_folder
from underone.image import Picture, Planes, photograph, photographs, prepare, read_image, resample
from underone.runtime.several import in_order
from underone.spec import IMAGENET_PREPARATION, InputSpec

RESULTS = Path(__file__).with_name("preparation")
ROUNDS, PASSES = 15, 2  # passes over the folder in one round
WORKERS = 2
FEWEST = 60  # pictures of a pass to answers; a smaller folder is gone through several times

Tensor = NDArray[np.float32]
SPEC = InputSpec(shape=(1, 3, 224, 224), preparation=IMAGENET_PREPARATION)
TRANSFORM = transforms.Compose([
    transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
    transforms.Normalize(IMAGENET_PREPARATION.mean, IMAGENET_PREPARATION.std),
])  # fmt: skip


def with_underone(picture: Picture) -> Tensor:
    return prepare(picture, SPEC)


def with_pillow(picture: Picture) -> Tensor:
    compiled, resample.ISAS = resample.ISAS, []
    try:
        return prepare(picture, SPEC)
    finally:
        resample.ISAS = compiled


def with_torchvision(content: bytes) -> Tensor:
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    return TRANSFORM(picture)[None].numpy()


def from_pixels(call: Callable[..., Tensor]) -> Callable[[bytes], Tensor]:
    """Give the same call for a picture that is decoded: outside the clock, since each is decoded once and kept."""
    decoded: dict[bytes, object] = {}

    def run(content: bytes) -> Tensor:
        if content not in decoded:
            pixels = read_image(content)
            decoded[content] = Image.fromarray(pixels) if call is TRANSFORM else pixels
        return call(decoded[content])

    return run


DECODED = {
    "native": from_pixels(with_underone),
    "pillow": from_pixels(with_pillow),
    "torchvision": from_pixels(TRANSFORM),
}
FROM_FILE = {"native": with_underone, "pillow": with_pillow, "torchvision": with_torchvision}


FROM_LARGE = {
    "native": with_underone,
    "native reduced": lambda content: prepare(content, SPEC, reduced=True),
    "torchvision": with_torchvision,
}


def enlarged(content: bytes) -> bytes:
    """Return a photograph as a file of 12 megapixels, as cameras of phones write them."""
    file = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").resize((4000, 3000)).save(file, "jpeg", quality=90)
    return file.getvalue()


def frames() -> dict[str, Callable[[None], Tensor]]:
    """Return ways from the planes of a frame to the tensor: in one pass, and by way of the whole RGB picture."""
    pixels = Image.fromarray(photograph()).resize((640, 480)).convert("YCbCr")
    y, blue, red = (np.asarray(band) for band in pixels.split())
    planes = Planes(y, np.dstack([blue[::2, ::2], red[::2, ::2]]), full_range=True)
    if not np.array_equal(prepare(planes, SPEC), prepare(read_image(planes), SPEC)):
        raise ParityFailed("the tensor of the planes differs from that of their RGB")
    out = np.empty(SPEC.shape, np.float32)
    return {
        "native": lambda _: prepare(planes, SPEC, out=out),
        "by way of RGB": lambda _: prepare(read_image(planes), SPEC, out=out),
    }


def check(calls: dict[str, Callable[[bytes], Tensor]], files: Sequence[bytes]) -> None:
    for number, content in enumerate(files):
        wanted = np.asarray(calls["torchvision"](content)).reshape(1, 3, 224, 224)
        for name, call in calls.items():
            differs = int(np.count_nonzero(np.asarray(call(content)).reshape(wanted.shape) != wanted))
            if differs:
                raise ParityFailed(f"{name} differs from torchvision in {differs} values of picture {number}")


def measured(passes: dict[str, Callable[[], object]], pictures: int, what: str, threads: int) -> list[Record]:
    """Time each pass over the folder; a sample is milliseconds a picture."""
    timed = {name: clocked(one, pictures) for name, one in passes.items()}
    protocol = Protocol(input=what, warmup=1)
    return in_turns(timed, protocol, ROUNDS, PASSES, ("pillow", "torch"), model=what, threads=threads)


def to_answers(files: Sequence[bytes], model: str, backend: str, precision: str, reduced: bool) -> Callable[[], object]:
    """Classify the folder on `WORKERS` threads, each with an engine of one thread, made before the clock starts.

    Ours do what `Engine.answers` does. The peer reads with Pillow, prepares with torchvision and runs onnxruntime.
    """
    net = uo.load(model, backend, threads=1, precision=precision)
    nets = [net, *(net.clone() for _ in range(WORKERS - 1))]
    if backend == "native":
        asks = [partial(one.classify, reduced=reduced) for one in nets]
        return lambda: [answer.top(1) for answer in in_order(asks, files)]
    pool = ThreadPoolExecutor(WORKERS)

    def share(worker: int) -> None:
        for content in files[worker::WORKERS]:
            nets[worker].run(with_torchvision(content))

    def run() -> None:
        for _ in pool.map(share, range(WORKERS)):
            pass

    return run


def folder_of(given: str | None) -> list[bytes]:
    if given is None:
        return [photo.content for photo in photographs()]
    return [path.read_bytes() for path in sorted(Path(given).glob("*.jp*g"))]


def report(records: Sequence[Record]) -> None:
    write_records(records, make_folder(RESULTS))
    slowest = records[-1]
    for r in records:
        print(
            f"{r.model:24} {r.engine:22} {r.threads} threads  median {r.median_ms:7.3f} ms a picture "
            f"({1000 / r.median_ms:7.1f} a second)  {slowest.engine} takes {ratio(slowest, r)}  {r.verdict}"
        )


def main() -> None:
    torch.set_num_threads(1)
    folder, model = [*sys.argv[1:], None, None][:2]
    files = folder_of(folder)
    for what, calls in (("decoded pictures", DECODED), ("JPEG files", FROM_FILE)):
        check(calls, files)
        report(measured({name: over(files, call) for name, call in calls.items()}, len(files), what, 1))
    large = [enlarged(files[0])]
    check({name: call for name, call in FROM_LARGE.items() if name != "native reduced"}, large)
    report(measured({name: over(large, call) for name, call in FROM_LARGE.items()}, 1, "12 megapixel JPEG file", 1))
    report(measured({name: over([None], call) for name, call in frames().items()}, 1, "NV12 640x480", 1))
    if model is not None:
        files = files * -(-FEWEST // len(files))
        rows = [("native", "bfloat16"), ("native", "float32"), ("onnxruntime", "float32")]
        passes = {f"{engine} {how}": to_answers(files, model, engine, how, False) for engine, how in rows}
        passes["native bfloat16 reduced"] = to_answers(files, model, "native", "bfloat16", True)
        report(measured(passes, len(files), "JPEG files to answers", WORKERS))


if __name__ == "__main__":
    main()
