"""Concat, Split, Slice and shuffle along the channels of maps: lists of runs, copied only where they are read."""

from itertools import pairwise

from ..graph import Node
from .quantised import BYTES
from .tensors import Run, Tensors

_MOST_CHANNELS = 1 << 16


def concat(t: Tensors, node: Node) -> bool:
    """Concat of maps along the channels."""
    types = [t.types[n] for n in node.inputs]
    if not any(map(t.on_map, node.inputs)) or t.attributes(node)["axis"] != 1:
        return False
    if any(not _could_be_map(t, n) for n in node.inputs) or sum(k.shape[1] for k in types) > _MOST_CHANNELS:
        return False
    for name in node.inputs:
        if not t.on_map(name):
            t.as_map(name)
    t.runs[node.outputs[0]] = _joined([run for name in node.inputs for run in t.channels(name)])
    return True


def split(t: Tensors, node: Node) -> bool:
    """Split of a map along the channels."""
    attrs = t.attributes(node)
    if not t.on_map(node.inputs[0]) or attrs["axis"] != 1 or 0 in attrs["split"]:
        return False
    start = 0
    for name, count in zip(node.outputs, attrs["split"], strict=True):
        t.runs[name] = _part(t.channels(node.inputs[0]), start, count)
        start += count
    return True


def slices(t: Tensors, node: Node) -> bool:
    """Slice of a map along the channels, without gaps; or of nothing."""
    x, y = t.types[node.inputs[0]].shape, t.types[node.outputs[0]].shape
    if not t.on_map(node.inputs[0]) or x[0] != y[0] or x[2:] != y[2:] or 0 in y:
        return False
    attrs = t.attributes(node)
    at = dict(zip(attrs["axes"], zip(attrs["starts"], attrs["steps"], strict=True), strict=True))
    if any(step != 1 for _, step in at.values()):
        return False
    start = at.get(1, (0, 1))[0]
    start = max(start + x[1], 0) if start < 0 else start
    t.runs[node.outputs[0]] = _part(t.channels(node.inputs[0]), start, y[1])
    return True


def shuffle(t: Tensors, node: Node) -> bool:
    """Reshape to groups, Transpose, Reshape back: the channels in another order.

    Source: Zhang et al., ShuffleNet (arXiv 1707.01083), section 3.1.
    """
    turned = t.fuser.only_reader(node.outputs[0])
    back = t.fuser.only_reader(turned.outputs[0]) if turned is not None else None
    if not t.on_map(node.inputs[0]) or turned is None or back is None:
        return False
    x, groups = t.types[node.inputs[0]].shape, t.types[node.outputs[0]].shape
    if (turned.op, back.op) != ("Transpose", "Reshape") or t.attributes(turned)["perm"] != (0, 2, 1, 3, 4):
        return False
    if (groups[0], *groups[3:]) != (1, *x[2:]) or t.types[back.outputs[0]].shape != x:
        return False
    runs, (outer, inner) = t.channels(node.inputs[0]), groups[1:3]
    order = [o * inner + i for i in range(inner) for o in range(outer)]
    t.runs[back.outputs[0]] = _joined([run for c in order for run in _part(runs, c, 1)])
    t.done.update((id(turned), id(back)))
    return True


def _could_be_map(t: Tensors, name: str) -> bool:
    kind = t.types[name]
    return kind.dtype in ("float32", *BYTES) and len(kind.shape) == 4 and kind.shape[0] == 1 and 0 not in kind.shape


def _part(runs: tuple[Run, ...], start: int, count: int) -> tuple[Run, ...]:
    """Give channels [start, start + count) of a list of runs."""
    found, at = [], 0
    for run in runs:
        first, last = max(start, at), min(start + count, at + run.size)
        if first < last:
            found.append(Run(run.source, run.start + first - at, last - first))
        at += run.size
    return tuple(found)


def _joined(runs: list[Run]) -> tuple[Run, ...]:
    """Join runs that lie behind one another in one map."""
    starts = [0, *(i for i, (a, b) in enumerate(pairwise(runs), 1) if (a.source, a.start + a.size) != b[:2])]
    ends = [*starts[1:], len(runs)]
    return tuple(Run(*runs[a][:2], sum(r.size for r in runs[a:b])) for a, b in zip(starts, ends, strict=True))
