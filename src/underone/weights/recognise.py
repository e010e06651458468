"""Tell from names and shapes alone which network a checkpoint holds, in which layout and form."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..errors import BadFile, WeightsMismatch
from ..spec import IMAGENET_PREPARATION, Preparation
from .arrays import Array, complete_norms, turn_for
from .layout import Family, Layout
from .layouts import LAYOUTS
from .networks import CHANNELS, nearest_network
from .rename import rename, split
from .store import Weights

HELP = "; docs/convert.md, 'Names of your own', says how to make names known"


class Row(NamedTuple):
    """One tensor of a file that was read.

    Attributes:
        theirs: its name in the file.
        ours: its name here.
        change: the order of the axes before and after; "" where it stays.
        shape: here.
    """

    theirs: str
    ours: str
    change: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Recognised:
    """What a checkpoint turned out to be.

    Attributes:
        layout: how its tensors were named.
        model: name of the network in our table, the nearest one where the channels are no network's.
        weights: its arrays under our names.
        num_classes: rows of its classifier; None: it has none.
        in_chans: channels of its input picture.
        options: what `create_model` needs beside the name: ``channels``, where they are no network's of the table;
            ``block`` and ``num_branches`` of a MobileOne in training form.
        rows: every tensor that was read.
        notes: what was left out or completed, in sentences.
    """

    layout: Layout
    model: str
    weights: Weights
    num_classes: int | None
    in_chans: int
    options: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def imagenet(self) -> bool:
        """Whether it is taken for an ImageNet-1k classifier: a source's own layout, its number of classes, RGB."""
        own = self.layout.preparation is None
        return not own and self.num_classes == self.layout.classes and self.in_chans == 3

    @property
    def preparation(self) -> Preparation | None:
        """How the source prepares a picture for it; None where the layout does not say."""
        how = self.layout.preparation
        kept = self.imagenet or self.layout.arrays == "tensorflow" or self.layout.name != Layout.name
        if how is None or self.in_chans != 3 or not kept:
            return None
        return how.model_copy(update={"crop_ratio": crop_ratio(self.layout.source, self.model)})


def crop_ratio(source: str, model: str) -> float:
    """Return the share that the centre crop keeps when a source evaluates its ImageNet weights.

    0.9 in timm's evaluation of Apple's S1 to S4, 0.875 everywhere else (timm's `pretrained_cfg`; Apple states none;
    torchvision's and mmpretrain's 224 of 256).
    """
    wide = source in ("Apple", "timm") and model in ("mobileone_s1", "mobileone_s2", "mobileone_s3", "mobileone_s4")
    return 0.9 if wide else 0.875


def preparation_for(source: str, model: str, interpolation: str) -> Preparation:
    """Return the usual preparation of ImageNet weights: short side resized, centre crop, ImageNet mean and std."""
    changes = {"crop_ratio": crop_ratio(source, model), "interpolation": interpolation}
    return IMAGENET_PREPARATION.model_copy(update=changes)


def recognise(
    weights: Weights, where: str, model: str | None = None, layouts: Sequence[Layout] = LAYOUTS
) -> Recognised:
    """Tell what a checkpoint holds.

    Args:
        weights: arrays under the names of the file.
        where: the file, for errors.
        model: the network, if the file itself says so; told from the channels otherwise.
        layouts: that are tried.

    Raises:
        BadFile: the names are of no layout we know, or the shapes of no network.
        WeightsMismatch: single names do not fit the layout; all are listed.
    """
    family = CHANNELS[model].family if model is not None and model in CHANNELS else None
    layout = layout_of(weights, where, layouts, family)
    rows, notes = _rows(weights, layout, where)
    ours = {row.ours: _turned(weights[row.theirs], row.theirs, row.ours, layout) for row in rows}
    if layout.rules and layout.form == "training":
        ours, completed = complete_norms(ours, layout.bn_eps)
        notes += [f"{completed} batch norms were folded in part or lack scale or shift: completed"] * bool(completed)
    network = nearest_network(ours, layout.family, layout.form)
    if network is None:
        raise BadFile(
            f"{where}: {layout.source}'s {layout.family}, but with the channels of no network: {_known(layout)}"
        )
    head = ours.get("head.weight")
    return Recognised(
        layout,
        model or layout.name.format(network.name),
        ours,
        num_classes=None if head is None or head.ndim == 0 else head.shape[0],
        in_chans=network.in_chans,
        options=network.options,
        rows=rows,
        notes=tuple(notes),
    )


def layout_of(
    names: Collection[str], where: str, layouts: Sequence[Layout] = LAYOUTS, family: Family | None = None
) -> Layout:
    """Find the layout whose marker stands among the names.

    Raises:
        BadFile: none does.
    """
    for layout in layouts:
        if family in (None, layout.family):
            known = {_plain_name(name, layout) for name in names} if layout.prefix else names
            if all(key in known for key in layout.marker):
                return layout
    shown = ", ".join(list(names)[:3]) or "none"
    raise BadFile(f"{where}: tensor names of no known layout (it begins: {shown}){HELP}")


def _plain_name(name: str, layout: Layout) -> str:
    """Take off what may stand before and behind the names of a layout."""
    return re.sub(f"^(?:{layout.prefix})", "", name).removesuffix(":0") if layout.prefix else name


def _rows(weights: Weights, layout: Layout, where: str) -> tuple[tuple[Row, ...], list[str]]:
    """Rename every tensor of the network; say what is left out."""
    plain = {_plain_name(name, layout): name for name in weights}
    if len(plain) < len(weights):
        raise WeightsMismatch(f"{where}: two tensors have one name once {layout.prefix!r} is taken off")
    notes = _take_averages(plain)
    fitting, others = split(plain, layout.rules) if layout.others == "left out" else (list(plain), [])
    if others:
        shown = ", ".join(sorted(others, key=lambda name: -weights[plain[name]].size)[:3])  # the largest
        notes.append(
            f"{len(others)} tensors are no part of {layout.family}, left out: {shown}{', …' * (len(others) > 3)}"
        )
    try:
        names = rename(fitting, layout.rules) if layout.rules else {name: name for name in plain}
    except WeightsMismatch as error:
        raise WeightsMismatch(f"{where} looks like {layout.source}'s {layout.family}, but: {error}") from error
    return tuple(_row(weights[plain[name]], plain[name], ours, layout) for name, ours in names.items()), notes


def _take_averages(plain: dict[str, str]) -> list[str]:
    """Let names stand for their moving averages, which are meant for use, where a file has them."""
    averages = [name for name in plain if name.endswith(_AVERAGE)]
    for name in averages:
        plain[name.removesuffix(_AVERAGE)] = plain.pop(name)
    return [f"{len(averages)} weights are taken from their moving averages"] * bool(averages)


_AVERAGE = "/ExponentialMovingAverage"  # tf.train.ExponentialMovingAverage


def _row(array: Array, theirs: str, ours: str, layout: Layout) -> Row:
    turn = turn_for(theirs, ours, array, layout.arrays)
    return Row(theirs, ours, turn.name if turn else "", tuple(_turned(array, theirs, ours, layout).shape))


def _turned(array: Array, theirs: str, ours: str, layout: Layout) -> Array:
    turn = turn_for(theirs, ours, array, layout.arrays)
    return np.ascontiguousarray(turn.turn(array)) if turn else array


def _known(layout: Layout) -> str:
    return "; ".join(f"{name} {of.channels}" for name, of in CHANNELS.items() if of.family == layout.family)
