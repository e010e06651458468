"""A torch module as a callable on arrays; loaded only when one is scored."""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .classification import Answer


def answer_of(model: nn.Module) -> Answer:
    """Return the function from pictures (N, C, H, W) to the model's logits, on its own device; sets eval mode."""
    model.eval()
    device = next(model.parameters()).device

    def answer(images: NDArray[np.float32]) -> NDArray[Any]:
        with torch.inference_mode():
            return cast(Tensor, model(torch.from_numpy(images).to(device))).float().cpu().numpy()

    return answer
