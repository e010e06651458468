"""Frames of video files, network streams and cameras, read by PyAV."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ..errors import BadFile, BadValue, MissingExtra
from ..image import Pixels, Planes
from .frame import Frame
from .planes_of import planes_of

_LARGEST = 1 << 27  # pixels of a frame
_PATIENCE = (10.0, 10.0)  # seconds to open a stream, and to wait for its next packet
# where a camera is found, and FFmpeg's reader for it: https://ffmpeg.org/ffmpeg-devices.html
_CAMERAS = {"linux": ("/dev/video{}", "v4l2"), "darwin": ("{}", "avfoundation"), "win32": ("video={}", "dshow")}


class VideoSource(AbstractContextManager["VideoSource"]):
    """The frames of one video.

    Args:
        name: path of a file, address of a stream (``rtsp://…``), or ``camera:0``.

    Attributes:
        name: as given.
        live: a stream or a camera, whose frames are lost when nobody takes them.
        rate: frames a second as the file says; None: it says nothing.
        damaged: packets so far that could not be decoded, and were left out.

    Raises:
        MissingExtra: PyAV is not installed.
        BadFile: no such file or stream, no video, or no pictures in it.
        BadValue: there is no reader for cameras on this system.
    """

    def __init__(self, name: str) -> None:
        self._av = open_library()
        self.name = name
        self.live = name.startswith("camera:") or "://" in name
        self._container = self._open()
        if not self._container.streams.video:
            kinds = sorted({stream.type for stream in self._container.streams}) or ["nothing"]
            self._container.close()
            raise BadFile(f"{name} has no pictures, it holds {', '.join(kinds)} alone; pass a video")
        self._stream: Any = self._container.streams.video[0]
        self._stream.thread_type = "SLICE" if self.live else "AUTO"  # threads by frame would hold frames back
        rate = self._stream.average_rate
        self.rate = float(rate) if rate else None
        self.damaged = 0
        self._hidden = 0  # packets before the clip's beginning, which are decoded but not shown

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames in the order in which they are shown.

        Raises:
            BadFile: after the last good frame, when the video ends before it should, or the source is gone.
            BadValue: it was closed.
        """
        if self._stream is None:
            raise BadValue(f"{self.name} was closed; open it again")
        start, index, time = None, -1, 0.0
        for index, decoded in enumerate(self._decoded()):
            if decoded.time is not None:
                start = decoded.time if start is None else start
                time = max(time, decoded.time - start)
            yield Frame(index, time, self._upright(decoded))
        declared = self._stream.frames
        if index + 1 + self.damaged + self._hidden < declared:
            raise BadFile(f"{self.name} is cut short: {index + 1} of its {declared} frames are there")
        if index < 0:
            raise BadFile(f"{self.name}: not one frame could be decoded")

    def close(self) -> None:
        """Give the file or the camera back."""
        self._stream = None
        self._container.close()

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _open(self) -> Any:
        address, options = self.name, {}
        if self.name.startswith("camera:"):
            address, options["format"] = _camera(self.name)
        try:
            return self._av.open(address, timeout=_PATIENCE if self.live else None, **options)
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise BadFile(f"{self.name} cannot be opened as a video: {_reason(error)}") from error

    def _decoded(self) -> Iterator[Any]:
        """Decode packet by packet, so that a damaged one costs no more than itself."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (self._av.FFmpegError, OSError) as error:
                raise BadFile(f"{self.name} cannot be read on: {_reason(error)}") from error
            self._hidden += packet.is_discard
            try:
                yield from packet.decode()
            except self._av.EOFError:
                return
            except self._av.InvalidDataError:
                self.damaged += 1
            except self._av.FFmpegError as error:
                raise BadFile(f"{self.name} cannot be decoded: {_reason(error)}") from error

    def _upright(self, decoded: Any) -> Pixels | Planes:
        if decoded.width * decoded.height > _LARGEST:
            raise BadFile(f"{self.name} has frames of {decoded.width} x {decoded.height}; at most {_LARGEST:,} pixels")
        turns = round(decoded.rotation / 90) % 4  # phones write how they were held; counterclockwise
        planes = None if turns else planes_of(decoded)
        if planes is not None:
            return planes
        pixels: Pixels = decoded.to_ndarray(format="rgb24")
        return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def open_library() -> Any:
    """Return the module of PyAV.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtra("video", "av", "video") from error
    return av


def _camera(name: str) -> tuple[str, str]:
    if sys.platform not in _CAMERAS:
        raise BadValue(f"{name}: no reader for cameras is known on {sys.platform}; pass a file or an address")
    place, reader = _CAMERAS[sys.platform]
    return place.format(name.removeprefix("camera:")), reader


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
