"""Run a torch module on arrays, as engines are run."""

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn
from torch.utils import _pytree as pytree

from ..graph.graph import Array


def as_function(model: nn.Module, outputs: Sequence[str]) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
    """Make a function on arrays of a torch network with one input.

    Args:
        model: an eval-mode copy of it runs; the given one is left as it is.
        outputs: names of its output tensors, in the order in which it gives them.

    Returns:
        A function from {input name: array} to {output name: array}.
    """
    model = copy.deepcopy(model).eval()

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        [image] = inputs.values()
        with torch.inference_mode():
            tensors = pytree.tree_leaves(model(torch.from_numpy(image.copy())))
        return {name: tensor.numpy() for name, tensor in zip(outputs, tensors, strict=True)}

    return run
