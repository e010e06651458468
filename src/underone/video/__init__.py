"""Video through a network: frames in, answers out, drawn and written, all at the same time."""

from .clock import Clock, SystemClock
from .frame import Frame, Seen
from .from_video import VideoSource
from .stream import Policy, stream
from .to_video import VideoWriter

__all__ = ["Clock", "Frame", "Policy", "Seen", "SystemClock", "VideoSource", "VideoWriter", "stream"]
