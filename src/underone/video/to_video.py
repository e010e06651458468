"""Pictures into a video file, written by PyAV."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

from ..errors import BadFile, BadValue
from ..files import atomic_write
from .from_video import open_library

_TICKS = 90_000  # a second; the clock of MPEG's systems
_ENCODER = "libx264"
_SUFFIXES = {".mp4", ".mov", ".mkv", ".m4v"}


class VideoWriter:
    """A video file that grows by pictures; H.264, as every player and browser takes it.

    What was written stays when the block ends by an exception or Ctrl-C: the file is closed properly and moved to its
    place. Without a single picture there is no file, and an old one is untouched.

    Args:
        path: of the file; ``.mp4``, ``.mov``, ``.mkv`` or ``.m4v``.
        rate: frames a second that players announce; each picture has its own time all the same.

    Raises:
        MissingExtra: PyAV is not installed.
        BadValue: another suffix, or a rate that is not above 0.
        BadFile: the file cannot be written.

    >>> with VideoWriter("out.mp4") as video:  # doctest: +SKIP
    ...     for seen in stream("street.mp4", net):
    ...         video.write(seen.answer.draw(), seen.frame.time)
    """

    def __init__(self, path: str | Path, rate: float = 25.0) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in _SUFFIXES:
            raise BadValue(f"{path}: the suffix {self.path.suffix!r} is not known; use {', '.join(sorted(_SUFFIXES))}")
        if not 0 < rate < 1000:
            raise BadValue(f"rate={rate}; frames a second between 0 and 1000 are required")
        self._av = open_library()
        self._rate = Fraction(rate).limit_denominator(1001)
        self._file: Any = None
        self._temporary: Any = None
        self._stream: Any = None
        self._tick = -1

    def write(self, picture: Image.Image, time: float) -> None:
        """Add a picture.

        Args:
            picture: in the size of the first one, or brought to it; odd sides lose their last row or column.
            time: in seconds, when it is shown; later than the one before, or moved there.

        Raises:
            BadFile: the disk is full, or the encoder fails.
        """
        try:
            if self._file is None:
                self._open(picture.size)
            width, height = self._stream.width, self._stream.height
            if (picture.width & ~1, picture.height & ~1) != (width, height):
                picture = picture.resize((width, height))
            frame = self._av.VideoFrame.from_ndarray(np.asarray(picture.convert("RGB"))[:height, :width], "rgb24")
            self._tick = max(self._tick + 1, round(time * _TICKS))
            frame.pts, frame.time_base = self._tick, Fraction(1, _TICKS)
            self._file.mux(self._stream.encode(frame))
        except (self._av.FFmpegError, OSError) as error:
            raise BadFile(f"{self.path} cannot be written on: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        try:
            self._file.mux(self._stream.encode(None))
            self._file.close()
        except (self._av.FFmpegError, OSError) as failed:
            self._temporary.__exit__(type(failed), failed, None)
            raise BadFile(f"{self.path} was not written, the old file is untouched: {failed}") from failed
        self._temporary.__exit__(None, None, None)
        self._file = None

    def _open(self, size: tuple[int, int]) -> None:
        self._temporary = atomic_write(self.path)
        with ExitStack() as undone:
            file = undone.enter_context(self._av.open(str(undone.enter_context(self._temporary)), "w"))
            options = {"preset": "veryfast", "crf": "20"}
            try:
                self._stream = file.add_stream(_ENCODER, rate=self._rate, options=options)
            except ValueError as error:  # FFmpeg can be built without it
                raise BadFile(f"{self.path} cannot be written: this FFmpeg has no encoder {_ENCODER}") from error
            undone.pop_all()
        self._file = file
        self._stream.width, self._stream.height = (max(side & ~1, 2) for side in size)  # 4:2:0 needs even sides
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _TICKS)
