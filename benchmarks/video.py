"""How near a stream comes to what its stages and the processor allow, beside a plain loop.

    python benchmarks/video.py CLIP MODEL [--rounds 5]

MODEL runs on one thread. In turns: the stream (read, answer, draw and encode at the same time), the plain loop, and
each stage alone on the same frames. Stream and stages answer from the planes of a frame, the loop from its RGB. No
stream is faster than its slowest stage, nor than the machine's cores over the CPU seconds of a frame: the share of the
smaller bound is printed. The plain loop's answers are compared with the stream's first. Then 10,000 frames go through,
and the memory of the process is looked at on the way. Writes Records into benchmarks/video/.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from turns import clocked, in_turns

import underone as uo
from underone.bench import Record, write_records
from underone.bench.record import Protocol
from underone.errors import ParityFailed
from underone.files import make_folder
from underone.image import Pixels, Planes, read_image
from underone.video import VideoSource, VideoWriter, stream

RESULTS = Path(__file__).with_name("video")
FRAMES = 10_000


def read(clip: str) -> int:
    with VideoSource(clip) as source:
        return sum(1 for _ in source)


def draw(answers: list[object], folder: Path) -> None:
    with VideoWriter(folder / "draw.mp4") as video:
        for index, answer in enumerate(answers):
            video.write(answer.draw(3), index / 25)  # type: ignore[attr-defined]


def loop(clip: str, ask: Callable[[Pixels], object], folder: Path) -> None:
    with VideoWriter(folder / "loop.mp4") as video, VideoSource(clip) as source:
        for frame in source:
            video.write(ask(frame.picture).draw(3), frame.time)  # type: ignore[attr-defined]


def pipeline(clip: str, net: uo.Engine, folder: Path) -> None:
    with VideoWriter(folder / "stream.mp4") as video:
        for seen in stream(clip, net):
            video.write(seen.answer.draw(3), seen.frame.time)


def cpu_ms(call: Callable[[], object], frames: int) -> float:
    """Return milliseconds of all cores together for a frame."""
    before = time.process_time()
    call()
    return 1000 * (time.process_time() - before) / frames


def resident() -> float:
    """Return the megabytes of the process that lie in memory."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def endless(clip: str) -> Iterator[Pixels | Planes]:
    while True:
        with VideoSource(clip) as source:
            for frame in source:
                yield frame.source


def memory(clip: str, net: uo.Engine) -> list[float]:
    """Return the resident megabytes after each thousand frames."""
    return [
        resident()
        for seen in islice(stream(endless(clip), net, policy="every"), FRAMES)
        if seen.frame.index % 1000 == 999
    ]


def measure(clip: str, model: str, rounds: int, folder: Path) -> list[Record]:
    net = uo.load(model, threads=1)
    ask = getattr(net, net.spec.task or "")
    with VideoSource(clip) as source:
        pictures = [frame.source for frame in source]
    answers = [ask(picture) for picture in pictures]
    plain = (ask(read_image(picture)) for picture in pictures)
    for seen, wanted in zip(stream(clip, net), plain, strict=True):
        if seen.answer.to_json(3).split('"speed')[0] != wanted.to_json(3).split('"speed')[0]:
            raise ParityFailed(f"frame {seen.frame.index}: the stream's answer is not that of a plain loop")
    stages = {
        "stream": partial(pipeline, clip, net, folder), "loop": partial(loop, clip, ask, folder),
        "read": partial(read, clip), "answer": lambda: [ask(picture) for picture in pictures],
        "draw": partial(draw, answers, folder),
    }  # fmt: skip
    timed = {name: clocked(call, len(pictures)) for name, call in stages.items()}
    protocol = Protocol(input=Path(clip).name, batch=1, size=pictures[0].shape[:2], warmup=1)
    records = in_turns(timed, protocol, rounds, packages=("av", "pillow"), model=net.spec.name, threads=1)
    ms = {record.engine: record.median_ms for record in records}
    busy = cpu_ms(stages["stream"], len(pictures))
    bound = max(ms["read"], ms["answer"], ms["draw"], busy / (os.cpu_count() or 1))
    for name, value in ms.items():
        print(f"{net.spec.name:32} {name:8} {value:7.2f} ms a frame, {1000 / value:6.1f} a second")
    print(f"CPU {busy:.2f} ms a frame; bound {bound:.2f} ms; the stream reaches {bound / ms['stream']:.0%} of it")
    print("memory after each thousand frames, MB:", *np.round(memory(clip, net)).astype(int))
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clip")
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_records(measure(given.clip, given.model, given.rounds, Path(folder)), make_folder(RESULTS))


if __name__ == "__main__":
    main()
