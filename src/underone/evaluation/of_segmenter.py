"""A segmenter of any form as a callable on pictures: once, at several sizes and mirrored, or in tiles."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import BadValue
from ..image import Pixels, prepare
from ..image.prepare import prepared_size
from ..post import decode_segmentation, softmax
from ..post.label_map import places
from ..post.tiles import in_tiles
from ..spec import InputSpec, ModelSpec, SegmentationSpec
from .of_detector import Run
from .segmentation import Mask, Segment

Size = tuple[int, int]

_STRIDE = 32  # sizes of other scales are a multiple of it and 1, so that corner points lie on corner pixels
_LARGEST_SCALE = 8


def with_size(spec: ModelSpec) -> ModelSpec:
    """Return a spec with the size that pictures are prepared in, where it is open.

    Raises:
        BadValue: it does not say.
    """
    return spec.model_copy(update={"inputs": (_sized(spec, prepared_size(spec.input)),)})


def segmenter_of(run: Run, spec: ModelSpec) -> Segment:
    """Return the function from pictures to the class of each pixel, at the size of each picture.

    Args:
        run: the network; takes as many pictures as it will be asked for.
        spec: of the network.
    """

    def segment(pictures: Sequence[Pixels]) -> list[Mask]:
        outputs = run(np.concatenate([prepare(picture, spec.input) for picture in pictures]))
        rows = [{name: array[i : i + 1] for name, array in outputs.items()} for i in range(len(pictures))]
        return [decode_segmentation(row, spec, p).mask for row, p in zip(rows, pictures, strict=True)]

    return segment


def averaging_segmenter(run: Run, spec: ModelSpec, scales: Sequence[float], flip: bool) -> Segment:
    """Return a segmenter that averages the probabilities of several looks, at the size of the picture.

    Args:
        run: the network; takes pictures of any size where there are other scales than 1.
        spec: of the network, with the size that a scale of 1 has.
        scales: factors of that size, each above 0, at most 8.
        flip: whether each is looked at in the mirror too.

    Raises:
        BadValue: a scale is none of these, or the network gives classes alone.
    """
    output = next((o for o in spec.outputs if o.meaning in ("logits", "probabilities")), None)
    if not scales or not all(0 < scale <= _LARGEST_SCALE for scale in scales):  # NaN too
        raise BadValue(f"scales={list(scales)}; one or more, each above 0 and at most {_LARGEST_SCALE}, are required")
    if output is None:
        raise BadValue(f"{spec.name!r} gives classes, not how likely each is; leave out the scales and the mirror")
    sizes = [_scaled(spec, scale) for scale in scales]
    how = spec.segmentation or SegmentationSpec()

    name, is_logits = output.name, output.meaning == "logits"

    def look(picture: Pixels, size: Size) -> NDArray[Any]:
        maps = run(prepare(picture, _sized(spec, size)))[name][0]
        large = _enlarged(maps, (picture.shape[0], picture.shape[1]), size, how)
        return softmax(large, axis=0) if is_logits else large

    def looks(picture: Pixels) -> Iterator[NDArray[Any]]:
        for size in sizes:
            yield look(picture, size)
            if flip:
                yield look(np.ascontiguousarray(picture[:, ::-1]), size)[:, :, ::-1]

    def segment(pictures: Sequence[Pixels]) -> list[Mask]:
        best = [np.asarray(sum(looks(picture))).argmax(0) for picture in pictures]
        return [mask.astype(np.uint8 if mask.max() < 256 else np.int32) for mask in best]

    return segment


def tiling_segmenter(segment: Segment, tile: Size) -> Segment:
    """Return a segmenter that sees pictures tile by tile, each as if it were a picture."""
    return lambda pictures: [in_tiles(lambda part: segment([part])[0], picture, tile) for picture in pictures]


def _scaled(spec: ModelSpec, scale: float) -> Size:
    height, width = cast(Size, spec.input.size)  # the caller says the size
    if scale == 1:
        return height, width
    tall, wide = (max(1, round(side * scale / _STRIDE)) * _STRIDE + 1 for side in (height, width))
    return tall, wide


def _sized(spec: ModelSpec, size: Size) -> InputSpec:
    batch, channels, _, _ = shape = spec.input.shape
    sized = (batch, channels, *size) if spec.input.layout == "NCHW" else (batch, *size, shape[-1])
    return spec.input.model_copy(update={"shape": sized})


def _enlarged(maps: NDArray[Any], size: Size, seen: Size, how: SegmentationSpec) -> NDArray[np.float32]:
    """Enlarge maps (classes, h, w) to the size of the picture, bilinearly."""
    large = maps.astype(np.float32)
    for axis in (1, 2):
        before, share = places(size[axis - 1], maps.shape[axis], seen[axis - 1], how.alignment)
        after = np.minimum(before + 1, maps.shape[axis] - 1)
        low, high = large.take(before, axis), large.take(after, axis)
        large = low + (high - low) * (share[:, None] if axis == 1 else share)
    return large
