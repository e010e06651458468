"""Count what passes a camera: each object once, by the number that it keeps from frame to frame.

python examples/camera_detector.py MODEL.onnx [camera:0 | rtsp://… | clip.mp4] [drawn.mp4]
"""

import sys
from collections import defaultdict
from contextlib import nullcontext

import underone as uo
from underone.boxes import Tracker
from underone.video import VideoWriter


def main(model: str, source: str = "camera:0", drawn: str | None = None) -> None:
    passed: dict[str, set[int]] = defaultdict(set)
    tracker = Tracker()
    with uo.load(model) as net, VideoWriter(drawn) if drawn else nullcontext() as video:
        for seen in uo.stream(source, net):
            found = seen.answer.followed(tracker)
            for name, number in zip(found.labels, found.numbers.tolist(), strict=True):
                passed[name].add(number)
            if video is not None:
                video.write(found.draw(), seen.frame.time)
    for name, numbers in sorted(passed.items()):
        print(f"{name}: {len(numbers)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
