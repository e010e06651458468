"""The inputs on which two forms of a network are compared."""

import numpy as np

from ..errors import ShapeError, Unsupported
from ..graph.graph import Array
from ..image import photograph, prepare
from ..spec import IMAGENET_PREPARATION, InputSpec, Preparation, Shape

EXTREME = 4  # times the range that a prepared picture can reach
OPEN_BATCH = 3  # an engine that mixes up images shows it from 2 on
OPEN_SIZE = 224  # height and width where the network takes any
FURTHER_SIZE = (193, 161)  # odd: a network that was fixed to multiples of its strides shows it


def probes(
    spec: InputSpec, seed: int = 0, further_size: tuple[int, int] | None = None, reachable: bool = False
) -> dict[str, Array]:
    """Make the inputs: a photograph, noise, zeros, extremes.

    Args:
        spec: input of the network; a batch of noise has three images where any number is taken.
        seed: of noise and extremes.
        further_size: (height, width) of one more picture of noise, where the network takes any.
        reachable: extremes are the two ends of what each channel of a prepared picture can hold, not far outside.

    Returns:
        Arrays by name, of the shape and dtype that `spec` asks for.

    Raises:
        Unsupported: the input is not of floating point.
    """
    if not spec.dtype.startswith("float"):
        raise Unsupported(f"input {spec.name!r} takes {spec.dtype}; only networks with float inputs are compared")
    rng = np.random.default_rng(seed)
    one, batch = _sized(spec.shape, 1), _sized(spec.shape, OPEN_BATCH)
    low, high = _ranges(spec.preparation or IMAGENET_PREPARATION)
    made = {
        "noise": rng.standard_normal(batch),
        "zeros": np.zeros(one),
        "extremes": (
            np.where(rng.integers(0, 2, one), _by_channel(high, spec, one), _by_channel(low, spec, one))
            if reachable
            else rng.uniform(EXTREME * low.min(), EXTREME * high.max(), one)
        ),
    }
    if len(one) == 4:
        made = {"photo": _photo(spec, one)} | made
    if further_size is not None and len(one) == 4 and None in spec.size:
        made["noise of another size"] = rng.standard_normal(_resized(spec, one, further_size))
    return {name: array.astype(spec.dtype) for name, array in made.items()}


def picture_probes(spec: InputSpec, seed: int = 0, further_size: tuple[int, int] | None = None) -> dict[str, Array]:
    """Make the inputs of a network that takes the bytes of a picture: a photograph, noise, black, only 0 and 255.

    Args:
        spec: input of the network, with the neutral preparation of bytes.
        seed: of noise and extremes.
        further_size: (height, width) of one more picture of noise, where the network takes any.

    Returns:
        Arrays of whole numbers from 0 to 255 by name, of the shape and dtype that `spec` asks for.
    """
    rng = np.random.default_rng(seed)
    one = _sized(spec.shape, 1)
    made = {
        "photo": _photo(spec, one),
        "noise": rng.integers(0, 256, one),
        "zeros": np.zeros(one),
        "extremes": 255 * rng.integers(0, 2, one),
    }
    if further_size is not None and None in spec.size:
        made["noise of another size"] = rng.integers(0, 256, _resized(spec, one, further_size))
    return {name: array.astype(spec.dtype) for name, array in made.items()}


def common_input(spec: InputSpec, other: InputSpec, name: str, other_name: str) -> InputSpec:
    """Give `spec` with the sizes that it leaves open as `other` fixes them; the names are for errors.

    Raises:
        ShapeError: nothing fits both.
    """
    fits = len(spec.shape) == len(other.shape) and all(
        a == b or a is None or b is None for a, b in zip(spec.shape, other.shape, strict=True)
    )
    if not fits or spec.dtype != other.dtype:
        raise ShapeError(
            f"{other_name} takes {_shown(other)}, {name} {_shown(spec)}; "
            "networks with the same input are compared: export both for one size"
        )
    shape = tuple(a or b for a, b in zip(spec.shape, other.shape, strict=True))
    return spec.model_copy(update={"shape": shape})


def _shown(spec: InputSpec) -> str:
    return f"({', '.join('any' if n is None else str(n) for n in spec.shape)}) of {spec.dtype}"


def _resized(spec: InputSpec, shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, ...]:
    """Put another height and width in the place of those that are open."""
    first = 2 if spec.layout == "NCHW" else 1
    wanted = dict(zip((first, first + 1), size, strict=True))
    return tuple(n if spec.shape[axis] else wanted.get(axis, n) for axis, n in enumerate(shape))


def _sized(shape: Shape, batch: int) -> tuple[int, ...]:
    """Fill in the sizes that are open: the batch, then height and width."""
    return tuple(size or (batch if axis == 0 else OPEN_SIZE) for axis, size in enumerate(shape))


def _ranges(how: Preparation) -> tuple[Array, Array]:
    """Return the smallest and the largest value that each channel of a prepared picture can hold."""
    low, high = how.range
    mean, std = np.array(how.mean), np.array(how.std)
    return (low - mean) / std, (high - mean) / std


def _by_channel(values: Array, spec: InputSpec, shape: tuple[int, ...]) -> Array:
    """Lay values along the channels of pictures, repeated in turn; an input that is no picture takes the first."""
    if len(shape) != 4:
        return values[:1]
    axis = 1 if spec.layout == "NCHW" else 3
    return np.expand_dims(values[np.arange(shape[axis]) % len(values)], tuple(i for i in range(4) if i != axis))


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
