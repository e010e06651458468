"""Which branch of a block made a channel of its folded weights wide, from the weights in training form."""

from collections.abc import Mapping

import numpy as np

from ..errors import BadValue
from ..graph import Array

_EPS = 1e-5  # of the batch norms; it matters for variances near zero only


def widest_branch(trained: Mapping[str, Array], layer: str, rows: Array) -> str:
    """Name the branch that gives the widest channel of a folded layer its largest weight.

    Args:
        trained: arrays of the training form, by our names: ``…branches.N.conv``, ``…scale``, ``…skip``.
        layer: name of the folded layer, ``….conv``.
        rows: its weights, (O, K).

    Returns:
        For example ``branches.2, channel 17: 0.81 of 0.93``; empty where the weights hold no such block.

    Raises:
        BadValue: the block has another number of channels.
    """
    block = layer.removesuffix("conv")
    channel = int(np.abs(rows).max(axis=1).argmax())
    names = _branch_names(trained, block)
    for name in names:
        channels = len(_variances(trained, block + name))
        if channels != len(rows):
            raise BadValue(
                f"{block}{name} of the training form has {channels} channels, {layer} of the network {len(rows)}; the "
                "training form of this very network is required"
            )
    parts = {name: _largest(trained, block + name, channel) for name in names}
    if not parts:
        return ""
    widest = max(parts, key=lambda name: parts[name])
    return f"{widest}, channel {channel}: {parts[widest]:.2g} of {np.abs(rows[channel]).max():.2g}"


def _branch_names(trained: Mapping[str, Array], block: str) -> list[str]:
    ends = (".bn.running_var", ".running_var")
    found = [name[len(block) :] for name in trained if name.startswith(block) and name.endswith(ends[1])]
    names = [name.removesuffix(ends[0]).removesuffix(ends[1]) for name in found]
    return [name for name in names if name in ("scale", "skip") or name.startswith("branches.")]


def _largest(trained: Mapping[str, Array], branch: str, channel: int) -> float:
    """Give the largest weight that a branch adds to a channel: of a skip, what its batch norm multiplies with."""
    variance = float(_variances(trained, branch)[channel])
    factor = abs(float(trained[f"{_norm(trained, branch)}.weight"][channel])) / np.sqrt(variance + _EPS)
    weight = trained.get(f"{branch}.conv.weight")
    return float(factor * (1.0 if weight is None else np.abs(weight[channel]).max()))


def _variances(trained: Mapping[str, Array], branch: str) -> Array:
    return trained[f"{_norm(trained, branch)}.running_var"]


def _norm(trained: Mapping[str, Array], branch: str) -> str:
    return f"{branch}.bn" if f"{branch}.bn.running_var" in trained else branch
