"""A picture of a video, and what the network says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from ..image import Pixels, Planes, read_image

Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture of a video.

    Attributes:
        index: its place in the source, from 0; frames that were dropped count.
        time: when it is shown, in seconds from the first frame.
        source: the planes as the decoder gave them, or uint8 (H, W, 3) RGB; upright, not to be written to. Frames of
            one video may differ in size.
    """

    index: int
    time: float
    source: Pixels | Planes

    @cached_property
    def picture(self) -> Pixels:
        """The frame as uint8 (H, W, 3) RGB; made when it is asked for."""
        return read_image(self.source)


@dataclass(frozen=True, eq=False)
class Seen(Generic[Answer]):
    """A frame with its answer.

    Attributes:
        frame: the picture.
        answer: what the network says of it.
        dropped: frames before this one that were left out because they had become old.
        latency: milliseconds from the frame's arrival to its answer.
        speed: milliseconds of each stage: read (what it took to get the frame), queue, and those of the answer.
    """

    frame: Frame
    answer: Answer
    dropped: int
    latency: float
    speed: Mapping[str, float]
