"""Whatever was given to be written: as a Graph, and as a form that runs."""

import warnings
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadValue, Unsupported
from ..graph import Graph, infer_shapes, read_onnx
from ..graph.integer_form import integer_convolutions
from ..graph.onnx_file import with_borders
from ..spec import ModelSpec, Shape
from .forms import Form, of_graph, of_module

if TYPE_CHECKING:
    from torch import nn


def read_network(model: Any, size: Any = None, input_shape: Any = None) -> tuple[Graph, Form]:
    """Give a network as a Graph, and in the form that it came in; the arguments are those of `export`.

    Raises:
        BadValue: nothing that can be exported, labels that do not fit its outputs, a size that is none, or a size for
            a file that has its own.
        Unsupported: operations that are not implemented, or sizes that this network cannot leave open.
        BadFile: the file cannot be read.
    """
    if hasattr(model, "named_parameters"):
        graph, form = _read_module(model, size, input_shape)
    elif input_shape is not None:
        raise BadValue(f"input_shape is for torch modules; the channels of a {type(model).__name__} are its own")
    else:
        graph = model if isinstance(model, Graph) else read_onnx(_onnx_path(model))
        graph = graph if size is None else _of_size(graph, size)
        form = of_graph(integer_convolutions(graph))
    _require_labels_fit(graph.spec)
    return graph, form


def _read_module(model: "nn.Module", size: Any, input_shape: Any) -> tuple[Graph, Form]:
    from ..fold import foldable_blocks  # torch is needed for torch models only
    from ..trace import spec_of, trace

    spec = spec_of(model)
    shape = _shape(spec, size, input_shape)
    _require_size(spec, shape)
    graph = trace(model, _with_usual_size(spec, shape), shape)
    blocks = foldable_blocks(model)
    if blocks:
        warnings.warn(
            f"{spec.name} is exported in training form: {len(blocks)} of its blocks can be folded; "
            "reparameterize(model) gives the plain form",
            stacklevel=4,  # who called export
        )
    return graph, of_module(model, graph)


def _of_size(graph: Graph, size: Any) -> Graph:
    """Fix the height and the width of a graph that leaves them open."""
    height, width = _sizes("size", size, 2, "(height, width) in pixels")
    shapes = [v.shape for v in graph.inputs]
    if height is None or width is None or len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][2:] != (None, None):
        raise BadValue(
            f"size={size!r}: {graph.spec.name!r} takes {shapes}; only a height and a width that a network leaves open "
            "can be chosen"
        )
    image = replace(graph.inputs[0], shape=(*shapes[0][:2], height, width))
    found = infer_shapes(graph, sizes={image.name: tuple(n or 1 for n in image.shape)})
    outputs = tuple(replace(v, shape=(*v.shape[:1], *found[v.name].shape[1:])) for v in graph.outputs)
    spec = with_borders(graph.spec, (image,), outputs)
    return replace(graph, inputs=(image,), outputs=outputs, spec=spec)


def _require_size(spec: ModelSpec, shape: Shape | None) -> None:
    """Refuse at once what a trace would find after minutes: a padding rule that follows the size of every map."""
    if spec.padding in ("tf_same", "keras") and shape is not None and None in shape[2:]:
        raise Unsupported(
            f"{spec.name} does not take pictures of any size: its padding, {spec.padding!r}, is another one for "
            "another size; give a height and a width"
        )


def _with_usual_size(spec: ModelSpec, shape: Shape | None) -> ModelSpec:
    """Keep the size that pictures had so far, where the file is to take any."""
    how = spec.input.preparation if spec.inputs else None
    if how is None or shape is None or None not in shape[2:] or None in spec.input.size:
        return spec
    image = spec.input.model_copy(update={"preparation": how.model_copy(update={"size": spec.input.size})})
    return spec.model_copy(update={"inputs": (image, *spec.inputs[1:])})


def _shape(spec: ModelSpec, size: Any, input_shape: Any) -> Shape | None:
    """Return (N, C, H, W) as the caller wants it; None: as the spec says."""
    if size is not None and input_shape is not None:
        raise BadValue(f"size={size!r} and input_shape={input_shape!r} were given; give one of them")
    if size is not None:
        channels = spec.input.shape[1] if spec.inputs else 3
        return (None, channels, *_sizes("size", size, 2, "(height, width) in pixels, None for any"))
    if input_shape is not None:
        return (None, *_sizes("input_shape", input_shape, 3, "(channels, height, width)"))
    return None


def _sizes(name: str, given: Any, count: int, required: str) -> tuple[int | None, ...]:
    sizes = given if isinstance(given, tuple | list) else ()
    if len(sizes) != count or not all(n is None or (isinstance(n, int) and n > 0) for n in sizes):
        raise BadValue(f"{name}={given!r}; {required} is required")
    return tuple(sizes)


def _onnx_path(given: Any) -> Path:
    if not isinstance(given, str | PathLike) or not str(given):
        raise BadValue(
            f"a {type(given).__name__} cannot be exported; a torch module, a Graph or the path of an ONNX file is "
            "required"
        )
    path = Path(given)
    if path.suffix != ".onnx" and (path.suffix in _WEIGHTS or not path.is_file()):
        name = repr(str(given))
        build = f"create_model(name, weights={name})" if path.suffix in _WEIGHTS else f"create_model({name})"
        raise BadValue(f"{name} is no ONNX file; a network of the zoo is built first: export({build}, path)")
    return path


_WEIGHTS = (".safetensors", ".pth", ".tar", ".pt", ".ckpt", ".bin")


def _require_labels_fit(spec: ModelSpec) -> None:
    if spec.classes is not None:
        spec.require_labels_for(spec.classes)
