"""Which blocks of a network train in folded form: measured, chosen once, kept with the checkpoint."""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from torch import nn

from ..errors import BadValue, UnknownName
from .mobileone_block import MobileOneBlock, TrainingForm
from .training_table import MEASURED


class Kind(NamedTuple):
    """What the speed of a block depends on, but for the number of pixels."""

    operation: Literal["dense", "pointwise", "depthwise"]
    stride: int
    num_branches: int
    in_channels: int
    out_channels: int


def use_training_forms(
    model: nn.Module, forms: Literal["auto", "plain", "moments"] | Mapping[str, TrainingForm]
) -> dict[str, TrainingForm]:
    """Say how each MobileOne block of a network calculates while it trains.

    ``plain`` blocks calculate every branch; ``moments`` blocks fold all branches of a batch into one convolution, by
    `forward_folded`. Loss, gradients, running statistics and state are the same but for rounding. Whoever resumes a
    training bit by bit passes what this function returned when it began.

    Args:
        model: changed in place; weights, statistics and mode stay.
        forms: ``auto``: by block, what was measured to be faster on a CPU; ``plain``; ``moments``: wherever possible;
            or the form of each block by its name in the model.

    Returns:
        The form of each block by its name in the model; empty for a network without MobileOne blocks.

    Raises:
        BadValue: an unknown form, names other than those of the blocks, or ``moments`` for a block that cannot.
    """
    blocks = {name: module for name, module in model.named_modules() if isinstance(module, MobileOneBlock)}
    chosen = _chosen(blocks, forms)
    for name, block in blocks.items():
        block.training_form = chosen[name]
    return chosen


def _chosen(blocks: Mapping[str, MobileOneBlock], forms: str | Mapping[str, TrainingForm]) -> dict[str, TrainingForm]:
    if isinstance(forms, Mapping):
        return _checked(blocks, forms)
    if forms not in ("auto", "plain", "moments"):
        raise UnknownName("training form", str(forms), ["auto", "plain", "moments"])
    able = {name: forms != "plain" and block.can_fold_batches for name, block in blocks.items()}
    return {
        name: "moments" if able[name] and (forms == "moments" or gain(kind_of(block)) > 1) else "plain"
        for name, block in blocks.items()
    }


def _checked(blocks: Mapping[str, MobileOneBlock], forms: Mapping[str, TrainingForm]) -> dict[str, TrainingForm]:
    if set(forms) != set(blocks):
        odd = sorted(set(forms) ^ set(blocks))
        raise BadValue(f"forms for {len(forms)} blocks, the model has {len(blocks)}; {odd[0]!r} is only in one of them")
    for name, form in forms.items():
        if form not in ("plain", "moments") or (form == "moments" and not blocks[name].can_fold_batches):
            raise BadValue(f"form {form!r} for the block {name!r}; 'plain' is required, or 'moments' where it can")
    return dict(forms)


def kind_of(block: MobileOneBlock) -> Kind:
    """Describe a block as the table of measurements does."""
    conv = block.branches[0].conv
    assert isinstance(conv, nn.Conv2d)
    operation: Literal["dense", "pointwise", "depthwise"] = "pointwise" if conv.kernel_size == (1, 1) else "dense"
    if conv.groups > 1:
        operation = "depthwise"
    return Kind(operation, conv.stride[0], len(block.branches), conv.in_channels, conv.out_channels)


def gain(kind: Kind) -> float:
    """Return how many times faster ``moments`` is than ``plain``, by the most similar block that was measured.

    >>> gain(Kind("pointwise", 1, 4, 128, 128)) > 1.5 > 1 > gain(Kind("pointwise", 1, 1, 512, 1280))
    True
    """
    rows = [row for row in MEASURED if row[:2] == kind[:2]]
    return min(rows, key=lambda row: _distance(kind, row))[-1] if rows else 0.0


def _distance(kind: Kind, row: tuple[str, int, int, int, int, float]) -> float:
    return sum(abs(math.log(mine / theirs)) for mine, theirs in zip(kind[2:], row[2:5], strict=True))
