"""Feature maps: what a backbone can give, and the choice among them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..errors import BadValue, UnknownName


class Feature(NamedTuple):
    """One feature map (N, channels, ceil(H / stride), ceil(W / stride)) of an image (N, C, H, W)."""

    name: str
    channels: int
    stride: int


def choose(available: Sequence[Feature], wanted: Iterable[str]) -> tuple[Feature, ...]:
    """Return the wanted features in the order of the network.

    Raises:
        UnknownName: a name is not available.
        BadValue: nothing is wanted.
    """
    names = set(wanted)
    known = [feature.name for feature in available]
    for name in sorted(names - set(known)):
        raise UnknownName("feature", name, known)
    if not names:
        raise BadValue(f"no feature is wanted; name at least one of {', '.join(known)}")
    return tuple(feature for feature in available if feature.name in names)


def needed_blocks(available: Sequence[Feature], chosen: Sequence[Feature]) -> set[str]:
    """Return the names of the blocks up to the last chosen feature: all that must be built.

    A feature inside a block is named ``block.place``.

    >>> sorted(needed_blocks([Feature("stem", 8, 2), Feature("block0.expand", 8, 2)], [Feature("stem", 8, 2)]))
    ['stem']
    """
    names = [feature.name for feature in available]
    return {name.partition(".")[0] for name in names[: names.index(chosen[-1].name) + 1]}
