"""The anchors of each family of detectors, as AnchorGrids. What decodes them knows nothing of families."""

import math
from collections.abc import Sequence

from ..errors import BadValue
from ..spec import AnchorGrid

Size = tuple[int, int]  # (rows, columns) of a map, (height, width) of a picture in pixels
Shapes = tuple[tuple[float, float], ...]  # (width, height)

SSD_STRIDES = (16, 32, 64, 128, 256, 512)  # of the six maps of a MobileNet SSD: each behind the second is half as large
SSD300_MAPS: tuple[Size, ...] = tuple((n, n) for n in (19, 10, 5, 3, 2, 1))
SSD320_MAPS: tuple[Size, ...] = tuple((n, n) for n in (20, 10, 5, 3, 2, 1))

_SCALES = (0.2, 0.95)  # of the first and the last map
_TF_RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333)  # the last is the literal of the published configurations


def map_sizes(picture: Size, strides: Sequence[int]) -> tuple[Size, ...]:
    """Give the size of each feature map of a picture: padded convolutions round up.

    >>> map_sizes((300, 300), SSD_STRIDES)
    ((19, 19), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1))
    """
    return tuple((math.ceil(picture[0] / s), math.ceil(picture[1] / s)) for s in strides)


def tf_ssd(
    maps: Sequence[Size] = SSD300_MAPS,
    picture: Size = (1, 1),
    scales: tuple[float, float] = _SCALES,
    ratios: Sequence[float] = _TF_RATIOS,
    reduce_lowest: bool = True,
) -> tuple[AnchorGrid, ...]:
    """Make the anchors of the TensorFlow Object Detection API: 1917 at 300 pixels, 2034 at 320.

    Args:
        maps: size of each feature map, the finest first.
        picture: its size; only the shape matters: scales are shares of the shorter side.
        scales: of the first and the last map.
        ratios: width / height of the anchors of a cell; behind them comes one square between this scale and the next.
        reduce_lowest: give the first map three anchors only: a square of 0.1, and ratios 2 and 1/2.

    Source: tensorflow/models, object_detection/anchor_generators/multiple_grid_anchor_generator.py.
    """
    steps = _spread(scales, len(maps))
    per_map = [
        [*((s, r) for r in ratios), (math.sqrt(s * next_), 1.0)]
        for s, next_ in zip(steps, [*steps[1:], 1.0], strict=True)
    ]
    if reduce_lowest:
        per_map[0] = [(0.1, 1.0), (steps[0], 2.0), (steps[0], 0.5)]
    shares = min(picture) / picture[1], min(picture) / picture[0]  # of the shorter side, in width and in height
    shapes = [
        tuple((s * math.sqrt(r) * shares[0], s / math.sqrt(r) * shares[1]) for s, r in of_map) for of_map in per_map
    ]
    return tuple(_even(size, of_map) for size, of_map in zip(maps, shapes, strict=True))


def torchvision_ssd(
    maps: Sequence[Size] = SSD320_MAPS,
    ratios: Sequence[Sequence[float]] = ((2.0, 3.0),) * 6,
    scales: Sequence[float] | None = None,
) -> tuple[AnchorGrid, ...]:
    """Make torchvision's default boxes: 3234 for its SSDLite at 320 pixels.

    Args:
        maps: size of each feature map, the finest first.
        ratios: of each map, each used both ways; two squares come before them.
        scales: of each map and one more; None: spread evenly from 0.2 to 0.95, and 1.

    Source: pytorch/vision, torchvision/models/detection/anchor_utils.py, DefaultBoxGenerator.
    """
    sizes = [*_spread(_SCALES, len(maps)), 1.0] if scales is None else list(scales)
    if len(sizes) != len(maps) + 1 or len(ratios) != len(maps):
        raise BadValue(
            f"{len(maps)} maps, {len(ratios)} ratios, {len(sizes)} scales; one scale more than maps is required"
        )
    grids = []
    for i, size in enumerate(maps):
        scale, between = sizes[i], math.sqrt(sizes[i] * sizes[i + 1])
        shapes = [(scale, scale), (between, between)]
        for ratio in ratios[i]:
            wide = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
            shapes += [wide, wide[::-1]]
        grids.append(_even(size, _inside(shapes)))
    return tuple(grids)


def prior_boxes(
    map_size: Size,
    picture: Size,
    least: Sequence[float],
    most: Sequence[float] = (),
    ratios: Sequence[float] = (),
    step: tuple[float, float] | None = None,
    offset: float = 0.5,
) -> AnchorGrid:
    """Make Caffe's prior boxes of one map, also those of qfgaohao's networks.

    Args:
        map_size: of the feature map.
        picture: its size in pixels.
        least: sizes in pixels of the squares.
        most: for each of them, the size with which a square in between is made; () for none.
        ratios: width / height of further boxes of each size, as they are used: both ways where both are wanted.
        step: (x, y) pixels between centres; None: spread evenly.
        offset: of the first centre, in steps.

    Source: Liu et al., SSD (arXiv 1512.02325), section 2.2; weiliu89/caffe, prior_box_layer.cpp.
    """
    rows, columns = map_size
    right, down = step or (picture[1] / columns, picture[0] / rows)
    shapes: list[tuple[float, float]] = []
    for i, size in enumerate(least):
        shapes.append((size, size))
        shapes += [(math.sqrt(size * most[i]),) * 2] if most else []
        shapes += [(size * math.sqrt(r), size / math.sqrt(r)) for r in ratios]
    return AnchorGrid(
        rows=rows,
        columns=columns,
        shapes=tuple((w / picture[1], h / picture[0]) for w, h in shapes),
        step=(right / picture[1], down / picture[0]),
        offset=(offset, offset),
    )


def ultraface(picture: Size = (240, 320)) -> tuple[AnchorGrid, ...]:
    """Make the anchors of Ultra-Light-Fast-Generic-Face-Detector: 4420 at 320 x 240.

    They are squares in pixels, at most as large as the picture.

    Source: Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB, vision/ssd/config/fd_config.py.
    """
    squares = ((10, 16, 24), (32, 48), (64, 96), (128, 192, 256))
    return tuple(
        _even(size, _inside([(s / picture[1], s / picture[0]) for s in of_map]))
        for size, of_map in zip(map_sizes(picture, (8, 16, 32, 64)), squares, strict=True)
    )


def _spread(ends: tuple[float, float], count: int) -> list[float]:
    return [ends[0] + (ends[1] - ends[0]) * i / max(count - 1, 1) for i in range(count)]


def _even(size: Size, shapes: Shapes) -> AnchorGrid:
    return AnchorGrid(rows=size[0], columns=size[1], shapes=shapes, step=(1 / size[1], 1 / size[0]))


def _inside(shapes: Sequence[tuple[float, float]]) -> Shapes:
    """Cut shapes to the size of the picture; their centres stay."""
    return tuple((min(w, 1.0), min(h, 1.0)) for w, h in shapes)
