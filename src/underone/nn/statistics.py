"""Batch-norm statistics for networks that were never trained, so that a check on them can fail.

A fresh batch norm has mean 0 and variance 1, and hides most folding faults. Purely random statistics are no better:
after forty layers the output hardly depends on the image. So weights are drawn, and statistics settled on images.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm


def randomize_statistics(model: nn.Module, images: Tensor, seed: int = 0) -> None:
    """Draw weight and bias of every batch norm, then set its running statistics to those that the images cause.

    All activations stay near 1 and depend on the image, and rounding is hardly amplified: biases around 0.5 keep most
    of them in the linear part of a ReLU.

    Args:
        model: changed in place; its mode stays.
        images: (N, C, H, W), N of 2 or more, of unlike content.
        seed: of the draw.
    """
    generator = torch.Generator().manual_seed(seed)
    norms = [module for module in model.modules() if isinstance(module, AnyBatchNorm)]
    momenta = [bn.momentum for bn in norms]
    modes = [(module, module.training) for module in model.modules()]
    with torch.no_grad():
        for bn in norms:
            bn.momentum = 1.0  # the statistics become those of the batch
            if bn.weight is not None:
                bn.weight.copy_(torch.empty(bn.num_features).uniform_(0.5, 1.5, generator=generator))
                bn.bias.copy_(torch.empty(bn.num_features).normal_(0.5, 0.2, generator=generator))
        model.train()(images)
    for bn, momentum in zip(norms, momenta, strict=True):
        bn.momentum = momentum
    for module, training in modes:
        module.training = training
