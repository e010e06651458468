"""How a network is fed while the clock runs: call after call, or pictures through the slots of a stream."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from itertools import repeat
from typing import Any

from numpy.typing import NDArray

from ..errors import BadValue
from ..image import Pixels, photograph, prepare
from ..runtime import Engine
from ..video import stream
from .record import Flow

Feed = Callable[[int], Generator[float]]  # how many → milliseconds of each


def feed_of(net: Engine, inputs: Mapping[str, NDArray[Any]], flow: Flow, size: tuple[int, int] | None = None) -> Feed:
    """Make what feeds an engine and times it.

    Args:
        net: the engine.
        inputs: of a call, by name.
        flow: ``calls``: from arrays to arrays, one after another; ``stream``: the packaged photograph, decoded, goes
            through the three slots of a stream, is prepared and becomes arrays; ``answers``: the same, and the arrays
            become labels, boxes after suppression, or a mask.
        size: that was asked for; a stream has none but the network's own.

    Raises:
        BadValue: a stream of several pictures a call or of a size, or of a network that does not say its task or how
            a picture becomes its input.
    """
    if flow == "calls":
        return lambda count: _calls(net, inputs, count)
    first = net.spec.input
    if first.preparation is None or net.spec.task not in ("classify", "detect", "segment"):
        raise BadValue(f"{net.spec.name!r} does not say how a picture becomes its input, or its task; use flow='calls'")
    if size is not None or any(array.shape[0] != 1 for array in inputs.values()):
        raise BadValue(f"flow={flow!r} gives single pictures of the network's own size; leave batch and size out")
    ask = net.answer if flow == "answers" else lambda picture: net.run(prepare(picture, first))
    picture = photograph()
    return lambda count: _streamed(ask, picture, count)


def _calls(net: Engine, inputs: Mapping[str, NDArray[Any]], count: int) -> Generator[float]:
    clock = time.perf_counter_ns
    for _ in range(count):
        start = clock()
        net.run(inputs)
        yield (clock() - start) / 1e6


def _streamed(ask: Callable[[Any], object], picture: Pixels, count: int) -> Generator[float]:
    """Give the time from one answer to the next; the first one, before which threads begin, is not timed."""
    clock = time.perf_counter_ns
    with closing(stream(repeat(picture, count + 1), ask)) as answers:
        next(answers)
        start = clock()
        for _ in answers:
            now = clock()
            yield (now - start) / 1e6
            start = now
