"""Write what OpenCV finds on photographs with a published Caffe SSD; needs opencv-python-headless 4.x and Pillow.

python make_opencv_detections.py deploy.prototxt NETWORK.caffemodel PHOTOGRAPH…

`detections/res10.json` holds for each photograph the boxes x1 y1 x2 y2 as shares of the picture whose score is 0.25 or
more, and those scores, best first. Pillow resizes (bilinear), so that resizing makes no difference.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

OUTPUT = Path(__file__).parent / "detections" / "res10.json"
LEAST = 0.25


def main(text: str, weights: str, *photographs: str) -> None:
    net, found = cv2.dnn.readNetFromCaffe(text, weights), {}
    for path in map(Path, photographs):
        picture = Image.open(path).convert("RGB").resize((300, 300), Image.Resampling.BILINEAR)
        net.setInput(cv2.dnn.blobFromImage(np.asarray(picture)[:, :, ::-1].copy(), 1.0, (300, 300), (104, 117, 123)))
        rows = net.forward()[0, 0]  # (N, 7): picture, class, score, x1, y1, x2, y2
        rows = rows[rows[:, 2] >= LEAST]
        found[path.name] = {"boxes": rows[:, 3:].clip(0, 1).tolist(), "scores": rows[:, 2].tolist()}
    OUTPUT.write_text(json.dumps(found, separators=(",", ":")).replace('},"', '},\n"') + "\n")
    print({name: len(row["scores"]) for name, row in found.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
