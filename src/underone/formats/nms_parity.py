"""Do the nodes behind a detector find the boxes that our own decoding finds? In onnxruntime, which runs them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compare import ROUNDING, Comparison, compare_outputs
from ..errors import BadFile, ParityFailed
from ..post import find_boxes
from ..spec import InputSpec, ModelSpec, OutputSpec
from .probes import probes

Array = NDArray[Any]

_MADE_UP = 3  # outputs on which the nodes are compared with our own decoding
_OBJECTS = 40  # scores that are high, in each of them
_MOVED = 8  # of their boxes, the best ones; those of large anchors come to lie outside the picture
_FAR = 30.0  # codes: 3 anchors to the side, with SSD's factors


def compare_nodes(alone: bytes, spec: ModelSpec) -> list[Comparison]:
    """Compare boxes, scores and classes with those of `find_boxes`, on made-up outputs of the network.

    Args:
        alone: ONNX file of the nodes, from the outputs of the network to the boxes.
        spec: of the network.

    Raises:
        BadFile: onnxruntime cannot run the nodes.
        ParityFailed: they find another number of boxes, or there are none.
    """
    codes, logits = (next(o for o in spec.outputs if o.meaning == m) for m in ("box_codes", "logits"))
    rows, rng = list[Comparison](), np.random.default_rng(0)
    for number in range(_MADE_UP):
        outputs = _made_up(rng, codes, logits, spec)
        found = find_boxes(outputs, spec)
        if not len(found.scores):
            raise ParityFailed("the made-up outputs hold no object, so that nothing could be compared")
        want: dict[str, Array] = {
            "boxes": found.boxes[None],
            "scores": found.scores[None],
            "class_ids": found.class_ids[None],
        }
        rows += _compare(f"made-up outputs {number}", _run(alone, outputs), want, "our own")
    return rows


def compare_whole(whole: bytes, plain: bytes, alone: bytes, image: InputSpec) -> tuple[list[Comparison], list[str]]:
    """Compare the whole file with its two parts, one after the other, on the first probe that shows it an object.

    The nodes alone are compared with `find_boxes` by `compare_nodes`. Here they are the reference, since engines that
    round otherwise put boxes of nearly equal scores in another order.

    Args:
        whole: ONNX file from the picture to the boxes.
        plain: from the picture to the outputs of the network.
        alone: from there to the boxes.
        image: input of the whole file.

    Returns:
        The comparisons, and a note where no probe shows an object.

    Raises:
        BadFile: onnxruntime cannot run a file.
        ParityFailed: the whole file finds another number of boxes.
    """
    for name, array in probes(image).items():
        outputs = _run(plain, {image.name: array})
        want = _run(alone, outputs)
        got = _run(whole, {image.name: array})
        rows = _compare(f"{name}, whole file", got, want, "its parts") if _count(got) or _count(want) else []
        if rows:
            return rows, []
    return [], ["on no probe did the file with nms inside find an object: its nodes saw made-up outputs only"]


def _compare(on: str, got: dict[str, Array], want: dict[str, Array], whose: str) -> list[Comparison]:
    if _count(got) != _count(want):
        raise ParityFailed(f"nms inside finds {_count(got)} boxes, {whose} {_count(want)}, on {on}")
    return compare_outputs(f"{on}, onnxruntime", got, want, ROUNDING["float32"])


def _count(found: dict[str, Array]) -> int:
    return int(found["scores"].shape[1])


def _run(content: bytes, inputs: dict[str, Array]) -> dict[str, Array]:
    """Run a file as it stands: fused otherwise, the whole file and its parts would round otherwise."""
    import onnxruntime  # an extra

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # fatal only; everything else comes as an exception
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        wanted = {i.name for i in session.get_inputs()}
        results = session.run(None, {name: array for name, array in inputs.items() if name in wanted})
    except Exception as error:  # its errors have no common base class
        raise BadFile(f"nms=True: onnxruntime cannot run the file: {str(error).splitlines()[0]}") from error
    return {o.name: array for o, array in zip(session.get_outputs(), results, strict=True)}


def _made_up(rng: np.random.Generator, codes: OutputSpec, logits: OutputSpec, spec: ModelSpec) -> dict[str, Array]:
    """Make outputs as a trained network's: nothing nearly everywhere, some objects, and some outside the picture."""
    _, anchors, classes = logits.shape
    assert anchors is not None
    assert classes is not None
    places, scores = rng.normal(0, 1, (1, anchors, 4)), rng.normal(-8, 1, (1, anchors, classes))
    background = spec.detection.background if spec.detection else None
    if background is not None:
        scores[0, :, background] = rng.normal(0, 1, anchors)
    rows = rng.integers(0, anchors, _OBJECTS)
    columns = rng.choice([c for c in range(classes) if c != background], _OBJECTS)
    scores[0, rows, columns] = rng.normal(2, 2, _OBJECTS)
    scores[0, rows[:_MOVED], columns[:_MOVED]] = np.linspace(6, 8, _MOVED)
    places[0, rows[:_MOVED], :2] += rng.choice([-_FAR, _FAR], (_MOVED, 2))
    return {codes.name: places.astype(np.float32), logits.name: scores.astype(np.float32)}
