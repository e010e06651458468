"""Clips that the tests write themselves, by PyAV and not by our writer."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="pip install 'underone[video]'")


@dataclass(frozen=True)
class Clips:
    """Pictures that know their number, and files of them."""

    folder: Path

    @staticmethod
    def picture(index: int, width: int = 96, height: int = 64) -> np.ndarray:
        """Return a grey picture with a bright square that moves on; the corner says which frame it is, up to 50."""
        picture = np.full((height, width, 3), 60, np.uint8)
        left = 4 * index % (width - 16)
        picture[24:40, left : left + 16] = (200, 180, 40)
        picture[:16, :16] = 5 * (index % 50)
        return picture

    @staticmethod
    def number(picture: np.ndarray) -> int:
        """Read the number of a frame from its corner, through an encoder's losses."""
        return round(float(picture[4:12, 4:12].mean()) / 5)

    def write(
        self, name: str, times: Sequence[int], size: tuple[int, int] = (96, 64), options: dict[str, str] | None = None
    ) -> Path:
        """Write a clip with a key frame every tenth, its pictures shown at the given milliseconds."""
        path = self.folder / name
        with av.open(str(path), "w", options=options or {}) as file:
            stream = file.add_stream("libx264", rate=25, options={"g": "10"})
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            for index, time in enumerate(times):
                frame = av.VideoFrame.from_ndarray(self.picture(index, *size), "rgb24")
                frame.pts, frame.time_base = time, Fraction(1, 1000)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        return path


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    return Clips(tmp_path)
