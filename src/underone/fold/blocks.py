"""Replace every block of a module tree that can be folded, ours and other people's."""

import copy
from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn

from ..errors import Unsupported
from ..nn.conv import PADDED
from ..nn.folding import fold_conv_bn

# Methods of other libraries that fold a block, in place or into the module they return; looked for in this order
FOREIGN_METHODS = (
    "fuse",  # timm, ultralytics
    "reparameterize",  # timm, Apple
    "switch_to_deploy",  # RepVGG, OpenMMLab
)
_CONVOLUTIONS = tuple(PADDED.values())  # exactly these: a subclass may compute its weight when it runs
_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)


class FoldedTree(NamedTuple):
    """A module tree after folding, and the dotted names of the blocks that changed; the root is ``""``."""

    model: nn.Module
    names: list[str]


def fold_blocks(model: nn.Module) -> FoldedTree:
    """Fold a module tree in place, from the root to the leaves; give it a copy.

    A block is folded by its method `folded()`, by one of `FOREIGN_METHODS` in float64, or, in a plain `nn.Sequential`,
    as a convolution directly followed by a batch norm.

    Raises:
        Unsupported: a foreign method fails.
    """
    uses = Counter(child for module in model.modules() for child in module._modules.values())
    known = {name for name, _ in model.named_modules(remove_duplicate=False)}
    done: dict[nn.Module, nn.Module] = {}  # a module that stands in two places is folded once
    names: list[str] = []

    def visit(module: nn.Module, name: str) -> nn.Module:
        if module not in done:
            result, changed = _fold_one(module, name, uses)
            done[module] = result
            if changed and name in known:
                names.append(name)
            for child_name, child in list(result._modules.items()):
                if child is not None:
                    result.add_module(child_name, visit(child, f"{name}.{child_name}".lstrip(".")))
        return done[module]

    return FoldedTree(visit(model, ""), names)


def foldable_blocks(model: nn.Module) -> list[str]:
    """Name the blocks that `reparameterize` would fold; none where it would fail.

    Args:
        model: any module tree; it is not changed.
    """
    try:
        return fold_blocks(copy.deepcopy(model).eval()).names
    except Unsupported:
        return []


def _fold_one(module: nn.Module, name: str, uses: Counter[nn.Module | None]) -> tuple[nn.Module, bool]:
    if callable(getattr(type(module), "folded", None)):
        return module.folded(), True  # type: ignore[operator]
    for method in FOREIGN_METHODS:
        if callable(getattr(type(module), method, None)):
            return _fold_foreign(module, name, method)
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        return module, _fold_pairs(module, uses)
    return module, False


def _fold_foreign(module: nn.Module, name: str, method: str) -> tuple[nn.Module, bool]:
    before = set(module.state_dict())
    like = [(p.device, p.dtype) for p in module.parameters()][:1]
    trainable = any(p.requires_grad for p in module.parameters())
    default = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)  # the method may build layers and copy into them
        result = getattr(module.double(), method)()
    except Exception as error:  # foreign code: anything may come
        raise Unsupported(
            f"{name or 'the model'}: {type(module).__name__}.{method}() failed: {error}; fold it yourself"
        ) from error
    finally:
        torch.set_default_dtype(default)
    if not isinstance(result, nn.Module):  # it worked in place
        result = module
    for device, dtype in like:
        result.to(device, dtype)
    result.requires_grad_(trainable)  # several of these methods freeze what they leave
    return result, result is not module or set(result.state_dict()) != before


def _fold_pairs(sequence: nn.Sequential, uses: Counter[nn.Module | None]) -> bool:
    changed = False
    for (conv_name, conv), (bn_name, bn) in pairwise(list(sequence.named_children())):
        if _is_pair(conv, bn) and uses[conv] == uses[bn] == 1:
            sequence.add_module(conv_name, fold_conv_bn(conv, bn))  # type: ignore[arg-type]
            sequence.add_module(bn_name, nn.Identity())  # keeps the names of the layers after it
            changed = True
    return changed


def _is_pair(conv: nn.Module, bn: nn.Module) -> bool:
    return (
        type(conv) in _CONVOLUTIONS
        and type(bn) in _NORMS
        and bn.running_mean is not None
        and conv.out_channels == bn.num_features
    )
