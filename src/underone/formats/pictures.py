"""Two forms of a network that take the same pictures in different ways, brought to the same inputs."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..errors import Unsupported
from ..graph.graph import Array
from ..spec import ModelSpec, Preparation
from .forms import Form
from .probes import FURTHER_SIZE, common_input, picture_probes, probes
from .take_bytes import take_bytes, taking_bytes


def on_common_inputs(
    tested: Form, reference: Form, name: str = "", reference_name: str = "", half: bool = False
) -> tuple[Form, Form, dict[str, Array]]:
    """Give two forms and the inputs that both take: prepared tensors, or pictures where they prepare them differently.

    Maps that the tested form gives channels last come channels first, where the reference gives them so.

    Args:
        tested: form under test.
        reference: what it is held against.
        name: of the form under test, for errors; its spec's by default.
        reference_name: likewise.
        half: one of them calculates in float16: nothing is asked that no picture holds.

    Raises:
        ShapeError: the two have other sizes of inputs.
        Unsupported: an input takes something else than floats, or a picture channels last.
    """
    tested = _channels_first(tested, reference.spec)
    theirs, ours = tested.spec.input, reference.spec.input
    image = common_input(ours, theirs, reference_name or reference.spec.name, name or tested.spec.name)
    if not _prepared_differently(theirs.preparation, ours.preparation):
        return tested, reference, probes(image, further_size=FURTHER_SIZE, reachable=half)
    how = ours.preparation
    color = how.color if how else "RGB"
    return (
        on_pictures(tested, color),
        on_pictures(reference, color),
        picture_probes(taking_bytes(image), further_size=FURTHER_SIZE),
    )


def _prepared_differently(how: Preparation | None, other: Preparation | None) -> bool:
    if how is None or other is None:
        return False  # nothing is known of one: both get the same tensor
    return any(getattr(how, field) != getattr(other, field) for field in ("color", "range", "mean", "std"))


def _channels_first(form: Form, like: ModelSpec) -> Form:
    """Turn the maps (N, H, W, C) of a form where `like` has (N, C, H, W) at the same position."""
    turned = {
        got.name
        for got, want in zip(form.spec.outputs, like.outputs, strict=False)
        if len(got.shape) == len(want.shape) == 4
        and got.shape[1:] != want.shape[1:]
        and (got.shape[3], *got.shape[1:3]) == want.shape[1:]
    }
    if not turned:
        return form

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return {n: np.moveaxis(a, 3, 1) if n in turned else a for n, a in form.run(inputs).items()}

    outputs = tuple(
        o.model_copy(update={"shape": (o.shape[0], o.shape[3], *o.shape[1:3])}) if o.name in turned else o
        for o in form.spec.outputs
    )
    return replace(form, spec=form.spec.model_copy(update={"outputs": outputs}), run=run)


def on_pictures(form: Form, color: str) -> Form:
    """Let a form take the bytes of a picture, as float32 (N, C, H, W), whatever its own input takes.

    Args:
        form: any form of a network on pictures.
        color: order of the channels that it is given; they are turned where its own input wants another.

    Raises:
        Unsupported: its spec does not say how a picture is prepared, or the input is channels last.
    """
    spec = form.spec.input
    how = spec.preparation
    if how is None or spec.layout != "NCHW":
        raise Unsupported(f"{form.spec.name!r}: input {spec.name!r} is no picture in (N, C, H, W) that can be prepared")
    low, high = how.range
    mean, std = (np.array(values, np.float32).reshape(1, -1, 1, 1) for values in (how.mean, how.std))
    turn = how.color != color

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        picture = inputs[spec.name][:, ::-1] if turn else inputs[spec.name]
        prepared = (picture * ((high - low) / 255) + low - mean) / std
        return form.run({spec.name: np.ascontiguousarray(prepared, spec.dtype)})

    image = taking_bytes(spec).model_copy(update={"dtype": "float32"})
    graph = form.graph
    return replace(
        form,
        spec=form.spec.model_copy(update={"inputs": (image,)}),
        run=run,
        graph=None if graph is None or turn else lambda: take_bytes(graph()),
    )
