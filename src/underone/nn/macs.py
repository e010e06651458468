"""Multiply-accumulates of a torch network on one input."""

import math
from typing import Any

import torch
from torch import Tensor, nn


def count_macs(model: nn.Module, image: Tensor) -> int:
    """Run a network and count the multiply-accumulates of its convolutions and linear layers.

    Batch norms, activations, pools and sums count nothing, as in the published tables.

    Args:
        model: any network; layers that it calls twice count twice, convolutions outside of modules not at all.
        image: its input, (N, C, H, W); the count is for the whole batch.
    """
    total = 0

    def count(layer: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        total += output.numel() * math.prod(layer.weight.shape[1:])  # each output element sums so many products

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    try:
        with torch.no_grad():
            model(image)
    finally:
        for handle in handles:
            handle.remove()
    return total
