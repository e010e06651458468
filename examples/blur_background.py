"""Blur everything on a photograph that is background for a segmenter.

python examples/blur_background.py PHOTO MODEL.onnx blurred.jpg
"""

import sys

import numpy as np
from PIL import Image, ImageFilter

import underone as uo


def main(photo: str, model: str, blurred: str) -> None:
    with uo.load(model) as net:
        seen = net.segment(photo)
    picture = Image.fromarray(seen.picture)
    background = Image.fromarray(np.where(seen.mask == 0, 255, 0).astype(np.uint8))  # class 0, as in Pascal VOC
    soft = background.filter(ImageFilter.GaussianBlur(4))
    picture.paste(picture.filter(ImageFilter.GaussianBlur(16)), mask=soft)
    picture.save(blurred)


if __name__ == "__main__":
    main(*sys.argv[1:])
