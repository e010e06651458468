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
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from turns import in_turns

from underone.bench import Record, ratio, write_records
from underone.bench.record import Protocol
from underone.data import Pictures
from underone.data.pictures import FilePictures, columns
from underone.errors import ParityFailed
from underone.files import make_folder
from underone.image import read_image
from underone.training import recipe_of
from underone.training.augmentation import augment, draw_crop
from underone.training.batches import Sample, Sampler, epoch_batches
from underone.training.decoding import Encoded
from underone.training.distribution import Group
from underone.training.recipe import Stage

RESULTS = Path(__file__).with_name("input_pipeline")
ROUNDS, WORKERS, BATCH, SETTLED = 5, 2, 32, 8
FEWEST = 960  # pictures of a pass; a smaller folder is gone through several times
NOTHING = torch.zeros(0, dtype=torch.uint8)
RECIPE = recipe_of("finetune").changed(batch=BATCH)


def decode_only(pictures: Pictures, index: int, seed: int) -> Sample:  # noqa: ARG001
    read_image(pictures.read(index))
    return Sample(NOTHING, torch.tensor(0))


def with_underone(stage: Stage, pictures: Pictures, index: int, seed: int) -> Sample:
    return Sample(augment(Encoded(pictures.read(index)), seed, RECIPE, stage), torch.tensor(0))


def with_torchvision(chain: v2.Compose, pictures: Pictures, index: int, seed: int) -> Sample:
    torch.manual_seed(seed)
    return Sample(chain(Image.open(BytesIO(pictures.read(index))).convert("RGB")), torch.tensor(0))


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
        images = ours(pictures, index, index).image, by_torchvision(pictures, index, size, index)
        got, wanted = (image.numpy().astype(int) for image in images)
        whole = min(Encoded(pictures.read(index)).size) < 2 * size
        apart, moved = (np.abs(wanted - other).mean() for other in (got, np.roll(wanted, (1, 1), (1, 2))))
        if apart > (0 if whole else moved):
            raise ParityFailed(f"the crops of {pictures.name(index)} differ: {apart} on average")


def one_pass(pictures: Pictures, sampler: Sampler) -> float:
    """Return the milliseconds that a picture takes."""
    start, seen = 0.0, 0
    for number, batch in enumerate(epoch_batches(pictures, RECIPE, sampler, 0, 0, Group(), WORKERS), 1):
        if number > SETTLED:
            seen += len(batch.names)
        if number == SETTLED:
            start = time.perf_counter()
    return 1000 * (time.perf_counter() - start) / seen


def measure(what: str, pictures: Pictures, samplers: dict[str, Sampler], size: int) -> list[Record]:
    timed = {name: partial(one_pass, pictures, sampler) for name, sampler in samplers.items()}
    protocol = Protocol(input="JPEG files", batch=BATCH, size=(size, size))
    packages = ("pillow", "torch")
    return in_turns(timed, protocol, ROUNDS, packages=packages, model=what, threads=WORKERS, precision="uint8")


def main(folder: str, size: str = "224") -> None:
    torch.set_num_threads(1)
    pictures, side = listed(Path(folder)), int(size)
    crop = v2.RandomResizedCrop(side, scale=(RECIPE.min_scale, 1.0))
    ours = partial(with_underone, Stage(until=1, size=side))
    theirs: Callable[..., Sample] = partial(
        with_torchvision, v2.Compose([crop, v2.RandomHorizontalFlip(), v2.PILToTensor()])
    )
    check(pictures, ours, side)
    height, width = np.median([Encoded(pictures.read(i)).size for i in range(0, len(pictures), 30)], axis=0).astype(int)
    what = f"{width}x{height}-jpeg-to-{side}"
    records = measure(what, pictures, {"decode-only": decode_only, "underone": ours, "torchvision": theirs}, side)
    for record in records:
        print(
            f"{what:24} {record.engine:12} {1000 / record.median_ms:7.0f} pictures a second, "
            f"{ratio(records[0], record)} of decoding alone  {record.verdict}"
        )
    write_records(records, make_folder(RESULTS))


if __name__ == "__main__":
    main(*sys.argv[1:])
