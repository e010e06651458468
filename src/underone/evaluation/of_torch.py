"""A torch module as a callable on arrays; loaded only when one is scored."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .classification import Answer


def answer_of(model: nn.Module) -> Answer:
    """Return the function from pictures (N, C, H, W) to the model's logits, on its own device; sets eval mode."""
    run = outputs_of(model, ["logits"])
    return lambda images: run(images)["logits"]


def outputs_of(model: nn.Module, names: Sequence[str]) -> Callable[[NDArray[np.float32]], dict[str, NDArray[Any]]]:
    """Return the function from pictures (N, C, H, W) to the model's outputs by name, on its own device.

    Args:
        model: gives a tensor, or tensors by name; is set to eval mode.
        names: of the outputs; of a model that gives one tensor, its name.
    """
    model.eval()
    device = next(model.parameters()).device

    def outputs(images: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        with torch.inference_mode():
            found = model(torch.from_numpy(images).to(device))
        named = {names[0]: found} if isinstance(found, Tensor) else found
        return {name: named[name].float().cpu().numpy() for name in names}

    return outputs
