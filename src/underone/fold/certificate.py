"""The certificate: a network before and after folding, block by block and as a whole, on a photograph and on noise."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version

import torch
from pydantic import JsonValue
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm

from ..compare import Verdict
from ..errors import ParityFailed
from ..nn.macs import count_macs
from .parity import Parity


def certify(
    before: nn.Module, after: nn.Module, names: Sequence[str], inputs: Mapping[str, Tensor], mode: str
) -> Verdict:
    """Compare a network with its folded form.

    Each folded block is compared on the very activation that reaches it in the unfolded network.

    Args:
        before: the network in eval mode.
        after: its folded form, in eval mode.
        names: dotted names of the blocks that were folded.
        inputs: images (N, C, H, W) by name.
        mode: in which mode the network was given, ``train`` or ``eval``.

    Raises:
        ParityFailed: a value is NaN or infinite, a reference is all zeros and the folded form's is not, or all are
            zeros; an error beyond the limits only shows in the verdict.
    """
    parity = Parity(before, after, names)
    with torch.no_grad():
        for on, image in inputs.items():
            parity.compare_on(on, image)
    if not parity.rows:
        raise ParityFailed("nothing could be compared: every output is all zeros; load trained weights, then fold")
    name = getattr(getattr(before, "spec", None), "name", type(before).__name__)
    image = next(iter(inputs.values()))
    return Verdict(
        kind="fold",
        subject=f"{name}, folded",
        reference=f"{name}, as given, in eval mode",
        comparisons=tuple(parity.rows),
        facts={
            "mode_found": mode,
            "already_folded": not names and not _batch_norms(before),
            "folded_blocks": len(names),
            "before": _size(before, image),
            "after": _size(after, image),
        },
        notes=(*_notes(before, names, mode, len(_batch_norms(after))), *parity.notes),
        versions={"underone": version("underone"), "torch": torch.__version__},
    )


def _size(model: nn.Module, image: Tensor) -> dict[str, JsonValue]:
    tensors = [*model.parameters(), *model.buffers()]
    return {
        "params": sum(p.numel() for p in model.parameters()),
        "macs": count_macs(model, image),
        "bytes": sum(t.numel() * t.element_size() for t in tensors),
        "tensors": len(tensors),
        "batch_norms": len(_batch_norms(model)),
    }


def _batch_norms(model: nn.Module) -> list[AnyBatchNorm]:
    return [module for module in model.modules() if isinstance(module, AnyBatchNorm)]


def _notes(model: nn.Module, names: Sequence[str], mode: str, left: int) -> list[str]:
    norms = [bn for bn in _batch_norms(model) if bn.running_mean is not None]
    fresh = [bn for bn in norms if _is_fresh(bn)]
    uncounted = [bn for bn in norms if bn not in fresh and bn.num_batches_tracked == 0]
    notes = []
    if mode == "train":
        notes.append("the model was given in train mode; a copy in eval mode was folded")
    if not names:
        notes.append("nothing was folded: the model is folded already, or holds no block that can be")
    if left:
        notes.append(f"{left} batch norms remain: they stand where no rule of folding reaches them")
    if fresh:
        notes.append(f"{len(fresh)} of {len(norms)} batch norms have untouched statistics (mean 0, variance 1)")
    if uncounted:
        notes.append(f"{len(uncounted)} of {len(norms)} batch norms have statistics but counted no batch (converted?)")
    return notes


def _is_fresh(bn: AnyBatchNorm) -> bool:
    assert bn.running_mean is not None
    assert bn.running_var is not None
    return bool((bn.running_mean == 0).all() and (bn.running_var == 1).all())
