"""The training pipeline against decoding alone: pictures a second of read, decode, crop, flip, batch, hand over.

    python benchmarks/input_pipeline.py FOLDER [SIZE]      FOLDER: JPEG files at any depth; SIZE: of the crops, 224

Two worker processes in all contestants, the same files in the same order, in turns: ``decode-only`` reads and decodes
each file with `read_image` and hands nothing over; ``underone`` is what `train` does with the recipe ``finetune``;
``torchvision`` is the usual chain of its transforms on the decoded Pillow picture. First our crops are compared with
torchvision's of the same places. They must not differ in one bit; where a file was large enough to be decoded at a part
of its size, by less than a picture moved by one pixel down and right does. The clock runs from the ninth batch on, when
the queues are at rest, to the last; nobody waits for a network. A sample is milliseconds a picture of one pass. Writes
one Record for each into benchmarks/input_pipeline/.
"""

import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2
from turns import in_turns

from underone.bench import Record, ratio, write_records
from underone.bench.record import Protocol
from underone.data import Pictures
from underone.data.order import Draw, batches
from underone.data.pictures import FilePictures, columns
from underone.errors import ParityFailed
from underone.files import make_folder
from underone.image import read_image
from underone.training import recipe_of
from underone.training.augmentation import augment, draw_crop
from underone.training.batches import Sampler, epoch_batches
from underone.training.decoding import Encoded
from underone.training.distribution import Group
from underone.training.recipe import Stage

RESULTS = Path(__file__).with_name("input_pipeline")
ROUNDS, WORKERS, BATCH, SETTLED = 5, 2, 32, 8
FEWEST = 960  # pictures of a pass; a smaller folder is gone through several times
RECIPE = recipe_of("finetune").changed(batch=BATCH)

Bytes = NDArray[np.uint8]


def decode_only(pictures: Pictures, index: int, seed: int, out: Bytes) -> Tensor:  # noqa: ARG001
    read_image(pictures.read(index))
    return torch.tensor(0)


def with_underone(stage: Stage, pictures: Pictures, index: int, seed: int, out: Bytes) -> Tensor:
    augment(Encoded(pictures.read(index)), seed, RECIPE, stage, out)
    return torch.tensor(0)


class WithTorchvision(Dataset[Tensor]):
    """The usual data set: a picture by its draw, through torchvision's transforms."""

    def __init__(self, pictures: Pictures, size: int) -> None:
        crop = v2.RandomResizedCrop(size, scale=(RECIPE.min_scale, 1.0))
        self.pictures, self.chain = pictures, v2.Compose([crop, v2.RandomHorizontalFlip(), v2.PILToTensor()])

    def __getitem__(self, draw: Draw) -> tuple[Tensor, int]:
        torch.manual_seed(draw.seed)
        return self.chain(Image.open(BytesIO(self.pictures.read(draw.picture))).convert("RGB")), 0


def by_underone(pictures: Pictures, sampler: Sampler, size: int) -> Iterable[object]:
    return epoch_batches(pictures, RECIPE, sampler, size, 0, 0, Group(), WORKERS)


def with_torchvision(pictures: Pictures, size: int) -> Iterable[object]:
    order = batches(len(pictures), BATCH, RECIPE.seed, 0)
    return DataLoader(WithTorchvision(pictures, size), batch_sampler=order, num_workers=WORKERS, prefetch_factor=4)


def listed(folder: Path) -> FilePictures:
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jp*g"))
    return FilePictures(folder, *columns([(name, 0) for name in names] * -(-FEWEST // len(names))), ("any",))


def by_torchvision(pictures: Pictures, index: int, size: int, seed: int) -> Tensor:
    """Return what torchvision makes of the crop that the seed gives us."""
    image, generator = Image.open(BytesIO(pictures.read(index))).convert("RGB"), Random(seed)
    box = draw_crop((image.height, image.width), RECIPE.min_scale, generator)
    cropped = v2.functional.resized_crop(image, *box, [size, size])
    flipped = v2.functional.hflip(cropped) if generator.random() < 0.5 else cropped
    tensor: Tensor = v2.functional.pil_to_tensor(flipped)
    return tensor


def check(pictures: Pictures, ours: Sampler, size: int) -> None:
    for index in range(0, len(pictures), len(pictures) // 50):
        out = np.empty((3, size, size), np.uint8)
        ours(pictures, index, index, out)
        got, wanted = out.astype(int), by_torchvision(pictures, index, size, index).numpy().astype(int)
        whole = min(Encoded(pictures.read(index)).size) < 2 * size
        apart, moved = (np.abs(wanted - other).mean() for other in (got, np.roll(wanted, (1, 1), (1, 2))))
        if apart > (0 if whole else moved):
            raise ParityFailed(f"the crops of {pictures.name(index)} differ: {apart} on average")


def one_pass(batches_of: Callable[[], Iterable[object]]) -> float:
    """Return the milliseconds that a picture takes."""
    start, number = 0.0, 0
    for number, _ in enumerate(batches_of(), 1):
        if number == SETTLED:
            start = time.perf_counter()
    return 1000 * (time.perf_counter() - start) / (BATCH * (number - SETTLED))


def measure(what: str, contestants: dict[str, Callable[[], Iterable[object]]], size: int) -> list[Record]:
    timed = {name: partial(one_pass, batches_of) for name, batches_of in contestants.items()}
    protocol = Protocol(input="JPEG files", batch=BATCH, size=(size, size))
    packages = ("pillow", "torch")
    return in_turns(timed, protocol, ROUNDS, packages=packages, model=what, threads=WORKERS, precision="uint8")


def main(folder: str, size: str = "224") -> None:
    torch.set_num_threads(1)
    pictures, side = listed(Path(folder)), int(size)
    ours = partial(with_underone, Stage(until=1, size=side))
    check(pictures, ours, side)
    height, width = np.median([Encoded(pictures.read(i)).size for i in range(0, len(pictures), 30)], axis=0).astype(int)
    what = f"{width}x{height}-jpeg-to-{side}"
    contestants = {
        "decode-only": partial(by_underone, pictures, decode_only, side),
        "underone": partial(by_underone, pictures, ours, side),
        "torchvision": partial(with_torchvision, pictures, side),
    }
    records = measure(what, contestants, side)
    for record in records:
        print(
            f"{what:24} {record.engine:12} {1000 / record.median_ms:7.0f} pictures a second, "
            f"{ratio(records[0], record)} of decoding alone  {record.verdict}"
        )
    write_records(records, make_folder(RESULTS))


if __name__ == "__main__":
    main(*sys.argv[1:])
