"""How pictures become the input of a Keras model, where the model itself says it: when it scales them first."""

from ...spec import Preparation
from .config import Layer, Model, Ref

_BEFORE = ("Resizing", "RandomFlip", "RandomRotation", "RandomZoom", "RandomContrast", "RandomTranslation", "Identity")
_LONGEST = 32  # layers and models on the way
_LARGEST_SCALE = 1 / 64  # 1 / 255 and 1 / 127.5 are usual; a larger factor belongs to numbers that are small already


def preparation_of(model: Model) -> Preparation | None:
    """Give the preparation of a model with one input that scales bytes itself: 0 to 255, RGB or grey.

    Returns:
        None where the model does not say what it takes.
    """
    layer = _first_layer(model)
    if layer is None or layer.kind != "Rescaling" or not _takes_bytes(layer.config.get("scale")):
        return None
    config = model.layers[model.inputs[0].layer].config
    shape = config.get("batch_shape") or config.get("batch_input_shape")
    grey = isinstance(shape, list) and shape[-1:] == [1]
    count = 1 if grey else 3
    return Preparation(
        color="GRAY" if grey else "RGB", resize="squeeze", range=(0.0, 255.0), mean=(0.0,) * count, std=(1.0,) * count
    )


def _first_layer(model: Model) -> Layer | None:
    """Follow the only input to the layer that first computes with it, into models inside."""
    for _ in range(_LONGEST):
        if len(model.inputs) != 1:
            return None
        name = model.inputs[0].layer
        for _ in range(_LONGEST):
            readers = [layer for layer in model.layers.values() if _reads(layer, name)]
            if len(readers) != 1 or readers[0].kind not in _BEFORE:
                break
            name = readers[0].name
        if len(readers) != 1 or readers[0].model is None:
            return readers[0] if len(readers) == 1 else None
        model = readers[0].model
    return None


def _reads(layer: Layer, name: str) -> bool:
    return any(isinstance(a, Ref) and a.layer == name for call in layer.calls for a in call)


def _takes_bytes(scale: object) -> bool:
    values = scale if isinstance(scale, list) else [scale]
    return all(isinstance(v, (int, float)) and 0 < abs(v) <= _LARGEST_SCALE for v in values)
