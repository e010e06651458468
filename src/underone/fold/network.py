"""reparameterize: a new network in its plain form, or an error that says where it would have differed."""

import copy
from itertools import chain

import torch
from torch import Tensor, nn

from ..errors import BadValue, ParityFailed
from .blocks import fold_blocks
from .certificate import certify
from .trial import trial_inputs


def reparameterize(model: nn.Module, input_shape: tuple[int, int, int] | None = None) -> nn.Module:
    """Fold every block of a network that can be folded, and prove that the network is still the same.

    Args:
        model: any module tree, in any mode, in float32 or float64: our blocks, those of timm, Apple, RepVGG and
            OpenMMLab by their own methods, and convolution + batch norm in an `nn.Sequential`. It is not changed.
        input_shape: (C, H, W) of the images for the proof; by default what the spec or timm says, or 224 pixels.

    Returns:
        A new module in eval mode. Its `.certificate` is a `Verdict`: each block and the whole network before and after
        folding on a photograph and on noise; parameters, MACs and bytes. A `.spec` says that the form is ``folded``.

    Raises:
        BadValue: no torch module, half precision, no parameters, or the network does not run on such images.
        ParityFailed: the folded network gives other values.
        Unsupported: a foreign block's own method fails.
    """
    _check_precision(model)
    before = copy.deepcopy(model).eval()
    before.zero_grad(set_to_none=True)
    after, names = fold_blocks(copy.deepcopy(before))
    inputs = trial_inputs(before, input_shape)
    _try_run(before, inputs["noise"])
    mode = "train" if any(module.training for module in model.modules()) else "eval"
    certificate = certify(before, after.eval(), names, inputs, mode)
    if not certificate.passed:
        first = next(row.on for row in certificate.comparisons if not row.passed)
        raise ParityFailed(f"{certificate}; the first to differ, in the order of execution, was {first!r}")
    after.certificate = certificate  # type: ignore[assignment]
    spec = getattr(after, "spec", None)
    if spec is not None:
        after.spec = spec.model_copy(update={"form": "folded"})
    return after


def _check_precision(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise BadValue(
            f"a {type(model).__name__} cannot be folded; a torch module is required: create_model(name, weights=…) "
            "makes one of a weight file"
        )
    tensors = dict(chain(model.named_parameters(), model.named_buffers()))
    if not tensors:
        raise BadValue("the model has no parameters; there is nothing to fold")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.element_size() < 4:
            raise BadValue(
                f"{name} is {str(tensor.dtype).removeprefix('torch.')}; folding needs float32 or float64: "
                "call model.float(), fold, then go back to half precision"
            )


def _try_run(model: nn.Module, image: Tensor) -> None:
    try:
        with torch.no_grad():
            model(image)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise BadValue(
            f"the model does not run on an image {tuple(image.shape)}: {str(error).splitlines()[0]}; "
            "pass input_shape=(channels, height, width)"
        ) from error
