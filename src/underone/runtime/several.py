"""Many pictures, several at a time, their answers in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from ..errors import BadFile, BadValue, ShapeError
from ..image import Picture

T = TypeVar("T")
_AHEAD = 2  # pictures for each worker that are read, asked about or wait for their turn

WrongPicture = BadFile | BadValue | ShapeError


def in_order(asks: Sequence[Callable[[Picture], T]], pictures: Iterable[Picture]) -> Iterator[T | WrongPicture]:
    """Ask about pictures on as many threads as there are callables, each of which is used by one at a time.

    Args:
        asks: all with the same answers.
        pictures: taken from it as answers are taken, two for each callable and one more ahead.

    Returns:
        Their answers; in place of one that cannot be had, the error.
    """
    free = SimpleQueue[Callable[[Picture], T]]()
    for ask in asks:
        free.put(ask)

    def asked(picture: Picture) -> T | WrongPicture:
        ask = free.get()
        try:
            return ask(picture)
        except (BadFile, BadValue, ShapeError) as error:
            return error
        finally:
            free.put(ask)

    with ThreadPoolExecutor(len(asks)) as pool:
        waiting = deque[Future[T | WrongPicture]]()
        for picture in pictures:
            waiting.append(pool.submit(asked, picture))
            if len(waiting) > _AHEAD * len(asks):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
