"""The inputs on which two forms of a network are compared."""

import numpy as np

from ..errors import ShapeError, Unsupported
from ..graph.graph import Array
from ..image import photograph, prepare
from ..spec import IMAGENET_PREPARATION, InputSpec, Preparation, Shape

EXTREME = 4  # times the range that a prepared picture can reach
OPEN_BATCH = 3  # an engine that mixes up images shows it from 2 on
OPEN_SIZE = 224  # height and width where the network takes any


def probes(spec: InputSpec, seed: int = 0) -> dict[str, Array]:
    """Make the inputs: a photograph, noise, zeros, extremes.

    Args:
        spec: input of the network; a batch of noise has three images where any number is taken.
        seed: of noise and extremes.

    Returns:
        Arrays by name, of the shape and dtype that `spec` asks for.

    Raises:
        Unsupported: the input is not of floating point.
    """
    if not spec.dtype.startswith("float"):
        raise Unsupported(f"input {spec.name!r} takes {spec.dtype}; only networks with float inputs are compared")
    rng = np.random.default_rng(seed)
    one, batch = _sized(spec.shape, 1), _sized(spec.shape, OPEN_BATCH)
    low, high = _range(spec.preparation or IMAGENET_PREPARATION)
    made = {
        "noise": rng.standard_normal(batch),
        "zeros": np.zeros(one),
        "extremes": rng.uniform(EXTREME * low, EXTREME * high, one),
    }
    if len(one) == 4:
        made = {"photo": _photo(spec, one)} | made
    return {name: array.astype(spec.dtype) for name, array in made.items()}


def common_input(spec: InputSpec, other: InputSpec) -> InputSpec:
    """Give `spec` with the sizes that it leaves open as `other` fixes them."""
    if len(spec.shape) != len(other.shape):
        raise ShapeError(f"the inputs have shapes {other.shape} and {spec.shape}; equally many dimensions are required")
    shape = tuple(a or b for a, b in zip(spec.shape, other.shape, strict=True))
    return spec.model_copy(update={"shape": shape})


def _sized(shape: Shape, batch: int) -> tuple[int, ...]:
    """Fill in the sizes that are open: the batch, then height and width."""
    return tuple(size or (batch if axis == 0 else OPEN_SIZE) for axis, size in enumerate(shape))


def _range(how: Preparation) -> tuple[float, float]:
    """Return the smallest and the largest value that a prepared picture can hold."""
    low, high = how.range
    mean, std = np.array(how.mean), np.array(how.std)
    return float(((low - mean) / std).min()), float(((high - mean) / std).max())


def _photo(spec: InputSpec, shape: tuple[int, ...]) -> Array:
    """Prepare the packaged photograph; where the spec does not say how, as ImageNet's, channels repeated in turn."""
    nchw = spec.layout == "NCHW"
    height, width = shape[2:] if nchw else shape[1:3]
    if spec.preparation is not None:
        return np.repeat(prepare(photograph(), spec, size=(height, width)), shape[0], axis=0)
    plain = InputSpec(shape=(None, 3, None, None), preparation=IMAGENET_PREPARATION)
    picture = prepare(photograph(), plain, size=(height, width))
    channels = shape[1] if nchw else shape[3]
    picture = picture[:, np.arange(channels) % 3]  # (1, C, H, W)
    return np.repeat(picture if nchw else picture.transpose(0, 2, 3, 1), shape[0], axis=0)
