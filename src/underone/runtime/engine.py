"""Engine: one network, ready to run."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast

import numpy as np

from ..compare import Verdict
from ..errors import BadValue, ShapeError, Unsupported
from ..files import sha256_of
from ..graph import Graph, read_onnx
from ..image import Picture, Planes, prepare, read_image
from ..image.prepare import least_size, prepared_size
from ..image.read import show_image
from ..post import (
    Classification,
    Detection,
    Segmentation,
    decode_classification,
    decode_detection,
    decode_segmentation,
)
from ..post.tiles import in_tiles
from ..spec import InputSpec, ModelSpec, OutputSpec, Preparation, SegmentationSpec
from .backends import Adapter, Array, Precision, choose, open_adapter, open_first, split_precision
from .model_file import ModelFile
from .profile import Profile
from .several import WrongPicture, in_order

Outputs = dict[str, Array]
Answer = TypeVar("Answer", Classification, Detection, Segmentation)
AnyAnswer = Classification | Detection | Segmentation


class Engine:
    """One network, ready to run; `load` makes it.

    Calls from several threads take turns. For calls at the same time give each thread its own `clone()`.

    Attributes:
        spec: what the network is: shapes, preparation, labels.
        backend: name of the library that calculates.
        threads: threads it was told to calculate with; the reference keeps those of numpy's BLAS.
        precision: number format of the arithmetic or of the weights, whichever is coarser.

    >>> net = load("mobileone_s1.onnx")  # doctest: +SKIP
    >>> print(net.classify("owl.jpg").top(5))  # doctest: +SKIP
    """

    def __init__(
        self, file: ModelFile, adapter: Adapter, *, spec: ModelSpec, backend: str, threads: int, precision: str
    ) -> None:
        self.spec = spec
        self.backend = backend
        self.threads = threads
        self.precision = precision
        self._file = file
        self._adapter: Adapter | None = adapter
        self._lock = threading.Lock()

    @property
    def verdict(self) -> Verdict | None:
        """What was proven of the file when it was written; None: nothing, or the file was changed since."""
        return self._file.verdict

    @property
    def quantised(self) -> bool:
        """Whether the file rounds tensors to whole numbers: its layers calculate in int8."""
        return self._file.quantised

    @property
    def fingerprint(self) -> str:
        """sha256 of the file that runs, in hexadecimal digits; of the cut one where `load` was told layers."""
        content = self._file.content
        return sha256_of(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()

    def graph(self) -> Graph:
        """Read the file that runs as a Graph.

        Raises:
            BadFile, Unsupported: as `read_onnx`.
        """
        return read_onnx(self._file.content, self._file.name)

    def run(self, inputs: Array | Mapping[str, Array], out: Array | Mapping[str, Array] | None = None) -> Outputs:
        """Calculate the outputs for a prepared tensor.

        Args:
            inputs: the network's own normalised tensor, or all inputs by name; shapes and dtypes as `spec.inputs` says.
            out: writable arrays for the outputs, by name; a lone array where there is one output.

        Returns:
            Every output by name. The arrays belong to the caller; those of `out` are among them.

        Raises:
            ShapeError: a name, rank, size or dtype is not what the network takes or gives.
            BadFile: the library fails while it runs the network.
            BadValue: the engine was closed.
        """
        named = _named(inputs, self.spec.inputs, "input")
        for spec in self.spec.inputs:
            _check(named[spec.name], spec, self.spec.name)
        with self._lock:
            results = self._opened().run({name: np.ascontiguousarray(array) for name, array in named.items()})
        return results if out is None else _written(results, out, self.spec.outputs)

    def classify(self, image: Picture, size: tuple[int, int] | None = None, *, reduced: bool = False) -> Classification:
        """Prepare a picture as the network was trained for, run, and name what is seen.

        Args:
            image: a path, the bytes of a file, an open binary file, a PIL picture, or a uint8 array (H, W, 3) in RGB.
            size: (height, width) to prepare it in, for a network that takes any size; None: what its spec says.
            reduced: decode a large JPEG file at an eighth, a quarter or a half of its sides, while it covers what is
                prepared: several times faster, with slightly other scores; the answer's picture is as small.

        Returns:
            The scores of all classes; `.top(5)` names the best.

        Raises:
            BadValue: the file does not say how it classifies, `size` is not its own, the engine was closed, or its
                outputs are NaN.
            BadFile, ShapeError: the picture cannot be read.
        """
        _check_classifies(self.spec)
        return self._answer(image, size, decode_classification, reduced)

    def detect(self, image: Picture, threshold: float | None = None) -> Detection:
        """Prepare a picture as the network was trained for, run, and find the objects in it.

        Args:
            image: a path, the bytes of a file, an open binary file, a PIL picture, or a uint8 array (H, W, 3) in RGB.
            threshold: from 0 to 1: an object counts from this score on; None: as the spec says, 0.3 for detectors of
                the zoo.

        Returns:
            Boxes in the pixels of the picture, with classes and scores, best first.

        Raises:
            BadValue: the file does not say how it detects, the threshold is outside 0 to 1, the engine was closed, or
                its outputs are NaN.
            BadFile, ShapeError: the picture cannot be read.
        """
        _check_detects(self.spec)
        return self._answer(image, None, partial(decode_detection, threshold=threshold))

    def segment(self, image: Picture, size: tuple[int, int] | None = None, *, tiled: bool = False) -> Segmentation:
        """Prepare a picture as the network was trained for, run, and give each of its pixels a class.

        Args:
            image: a path, the bytes of a file, an open binary file, a PIL picture, or a uint8 array (H, W, 3) in RGB.
            size: (height, width) to prepare it in, for a network that takes any size; None: what its spec says.
            tiled: look at a large picture in tiles of that size, each in full resolution.

        Returns:
            The class of each pixel at the size of the picture.

        Raises:
            BadValue: the file does not say how it segments, `size` is not its own, the engine was closed, or its
                outputs are NaN.
            BadFile, ShapeError: the picture cannot be read.
        """
        _check_segments(self.spec)
        return self._in_tiles(image, size) if tiled else self._mask(image, size)

    def features(self, image: Picture, size: tuple[int, int] | None = None) -> Outputs:
        """Prepare a picture as the network was trained for, and give the maps of the layers that `load` was told.

        Args:
            image: a path, the bytes of a file, an open binary file, a PIL picture, or a uint8 array (H, W, 3) in RGB.
            size: (height, width) to prepare it in, for a network that takes any size; None: what its spec says.

        Returns:
            By layer, what it gives for this one picture: maps (C, H, W), or a vector (C,) behind a pooling.

        Raises:
            BadValue: the outputs are no features, the file does not say how a picture becomes its input, `size` is not
                its own, or the engine was closed.
            BadFile, ShapeError: the picture cannot be read.
        """
        _check_features(self.spec)
        outputs = self.run(prepare(image, self.spec.input, size))
        return {name: array[0] for name, array in outputs.items()}

    def answer(self, image: Picture, **options: Any) -> AnyAnswer:
        """Classify, detect or segment, as the spec says; arguments and errors are those of that method."""
        if self.spec.task == "detect":
            return self.detect(image, **options)
        return self.segment(image, **options) if self.spec.task == "segment" else self.classify(image, **options)

    def answers(
        self, pictures: Iterable[Picture], workers: int = 2, **options: Any
    ) -> Iterator[AnyAnswer | WrongPicture]:
        """Ask about many pictures, several at a time: while one is decoded another one is answered.

        Each worker has this engine or a clone of it, so load it with threads=1 and give the cores to the workers.

        Args:
            pictures: anything that `classify` takes, each; they are taken as answers are taken, so they need not fit
                into memory.
            workers: pictures at a time.
            options: of `classify`, `detect` or `segment`, whichever the spec says.

        Returns:
            An iterator of their answers, in order; in place of one that cannot be had, the error.

        Raises:
            BadValue: workers is below 1, or the engine was closed.

        >>> for path, answer in zip(paths, net.answers(paths)):  # doctest: +SKIP
        ...     print(path, answer)
        """
        if workers < 1:
            raise BadValue(f"workers={workers}; a whole number from 1 up is required")
        self._opened()
        engines = [self, *(self.clone() for _ in range(workers - 1))]
        return in_order([partial(engine.answer, **options) for engine in engines], pictures)

    def _mask(self, image: Picture, size: tuple[int, int] | None) -> Segmentation:
        decoder = partial(decode_segmentation, seen=prepared_size(self.spec.input, size))
        return self._answer(image, size, decoder)

    def _in_tiles(self, image: Picture, size: tuple[int, int] | None) -> Segmentation:
        pixels, speed = read_image(image), dict[str, float]()

        def segment(part: Array) -> Array:
            found = self._mask(part, size)
            for stage, spent in found.speed.items():
                speed[stage] = speed.get(stage, 0.0) + spent
            return found.mask

        mask = in_tiles(segment, pixels, prepared_size(self.spec.input, size))
        how = self.spec.segmentation or SegmentationSpec()
        return Segmentation(mask, self.spec.labels, how.background, pixels, speed)

    def _answer(
        self, image: Picture, size: tuple[int, int] | None, decoder: Callable[..., Answer], reduced: bool = False
    ) -> Answer:
        """Prepare, run, decode; with the milliseconds of each."""
        start = time.perf_counter()
        least = least_size(self.spec.input, size) if reduced else None
        seen = image if isinstance(image, Planes) else show_image(image, least)
        tensor = prepare(seen, self.spec.input, size)
        prepared = time.perf_counter()
        outputs = self.run(tensor)
        ran = time.perf_counter()
        result = decoder(outputs, self.spec, seen)
        speed = {"prepare": prepared - start, "run": ran - prepared, "decode": time.perf_counter() - ran}
        return result.timed({stage: 1000 * seconds for stage, seconds in speed.items()})

    def profile(self, inputs: Array | Mapping[str, Array] | None = None, rounds: int = 50) -> Profile:
        """Time every layer.

        Args:
            inputs: as `run` takes them; None: noise of the network's own shape.
            rounds: runs; the least time of each layer counts.

        Raises:
            Unsupported: the backend does not time its layers; the native one does.
            BadValue: the engine was closed, or rounds is below 1.
            ShapeError: as `run`; or no inputs are given for a network of open sizes.
        """
        if rounds < 1:
            raise BadValue(f"rounds={rounds}; a whole number from 1 up is required")
        named = _named(_noise(self.spec) if inputs is None else inputs, self.spec.inputs, "input")
        for spec in self.spec.inputs:
            _check(named[spec.name], spec, self.spec.name)
        with self._lock:
            timer = getattr(self._opened(), "profile", None)
            if timer is None:
                raise Unsupported(f"backend {self.backend!r} does not time its layers; load with backend='native'")
            found = timer({name: np.ascontiguousarray(array) for name, array in named.items()}, rounds)
        return replace(cast(Profile, found), title=str(self))

    def as_classifier(
        self,
        preparation: Preparation,
        labels: Sequence[str] | None = None,
        meaning: Literal["logits", "probabilities"] = "logits",
    ) -> "Engine":
        """Say how a file that somebody else wrote classifies.

        Args:
            preparation: how a picture becomes its input tensor.
            labels: class names by index of the output vector; without them classes are called ``class 281``.
            meaning: what the first output holds.

        Returns:
            An engine on the same weights whose `classify` works.
        """
        first, *others = self.spec.outputs
        outputs = (first.model_copy(update={"meaning": meaning}), *others)
        inputs = (self.spec.input.model_copy(update={"preparation": preparation}), *self.spec.inputs[1:])
        named = tuple(labels) if labels is not None else None
        return self._copy(
            self.spec.model_copy(update={"task": "classify", "inputs": inputs, "outputs": outputs, "labels": named})
        )

    def clone(self, backend: str | None = None) -> "Engine":
        """Return another engine on the same weights, which may run at the same time as this one.

        Args:
            backend: another library; it reads the weights of the same file once more.

        Raises:
            BadValue: the engine was closed.
            UnknownName, MissingExtra, Unsupported, BadFile: as `load`.
        """
        if backend is None:
            return self._copy(self.spec)
        return open_engine(self._file, backend, self.threads, None, self.spec)

    def close(self) -> None:
        """Give the weights back; closing twice does nothing."""
        with self._lock:
            self._adapter = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __str__(self) -> str:
        plural = "" if self.threads == 1 else "s"
        return f"{self.spec.name} on {self.backend}, {self.threads} thread{plural}, {self.precision}"

    def __repr__(self) -> str:
        return f"<Engine {self}>"

    def _opened(self) -> Adapter:
        if self._adapter is None:
            raise BadValue(f"the engine {self} was closed; load the file again")
        return self._adapter

    def _copy(self, spec: ModelSpec) -> "Engine":
        with self._lock:
            adapter = self._opened().clone()
        return Engine(
            self._file, adapter, spec=spec, backend=self.backend, threads=self.threads, precision=self.precision
        )


def open_engine(
    file: ModelFile, backend: str, threads: int, precision: Precision | None, spec: ModelSpec | None = None
) -> Engine:
    """Open a described file on a backend; the arguments are those of `load`."""
    if backend == "auto":
        backend, adapter = open_first(file, threads, precision or "float32")
    else:
        adapter = open_adapter(file, choose(backend), threads, precision or "float32")
    calculated, _ = split_precision(precision or "float32")
    coarsest = calculated if calculated != "float32" else file.weights
    return Engine(
        file, adapter, spec=spec or file.spec, backend=backend, threads=threads, precision=coarsest or "float32"
    )


def _noise(spec: ModelSpec) -> dict[str, Array]:
    """Return normal noise for every input; an open first size is 1."""
    made, rng = {}, np.random.default_rng(0)
    for value in spec.inputs:
        shape = [1 if i == 0 and size is None else size for i, size in enumerate(value.shape)]
        if None in shape:
            raise ShapeError(f"{spec.name!r} leaves sizes of {value.name!r} open: {value.shape}; pass inputs")
        made[value.name] = rng.normal(0, 1, [size or 0 for size in shape]).astype(value.dtype)
    return made


def _named(given: Any, specs: Sequence[InputSpec | OutputSpec], what: str) -> dict[str, Array]:
    """Return the arrays by name; a lone array stands for the only input or output."""
    names = [s.name for s in specs]
    if isinstance(given, np.ndarray) and len(names) == 1:
        return {names[0]: given}
    if not isinstance(given, Mapping):
        raise ShapeError(
            f"{what}s came as {type(given).__name__}; an array for each of {names} by name is required{_cure(given)}"
        )
    if set(given) != set(names) and (what == "input" or not set(given) <= set(names)):
        raise ShapeError(f"{what}s {sorted(given)} were given; the network's are {names}")
    return dict(given)


def _cure(given: Any) -> str:
    return ": pass x.detach().cpu().numpy()" if hasattr(given, "numpy") else ""  # torch's tensors


def _check(array: Any, spec: InputSpec, model: str) -> None:
    if not isinstance(array, np.ndarray):
        raise ShapeError(
            f"{model!r} got a {type(array).__name__} for {spec.name!r}; a numpy array is required{_cure(array)}"
        )
    if array.dtype != spec.dtype:
        raise ShapeError(
            f"{model!r} got {array.dtype} for {spec.name!r}; {spec.dtype} is required: pass x.astype({spec.dtype!r})"
        )
    fits = len(array.shape) == len(spec.shape) and all(
        size == wanted if wanted else size > 0 for size, wanted in zip(array.shape, spec.shape, strict=True)
    )
    if spec.shape and not fits:
        required = ", ".join("any" if n is None else str(n) for n in spec.shape)
        raise ShapeError(f"{model!r} got shape {array.shape} for {spec.name!r}; ({required}) is required")


def _written(results: Outputs, out: Any, specs: Sequence[OutputSpec]) -> Outputs:
    targets = _named(out, specs, "output")
    for name, target in targets.items():
        value = results[name]
        if not isinstance(target, np.ndarray) or not target.flags.writeable:
            found = "a read-only array" if isinstance(target, np.ndarray) else f"a {type(target).__name__}"
            raise ShapeError(f"out[{name!r}] is {found}; a numpy array that can be written is required")
        if target.shape != value.shape or target.dtype != value.dtype:
            raise ShapeError(
                f"out[{name!r}] is {target.shape} of {target.dtype}; {value.shape} of {value.dtype} is required"
            )
    for name, target in targets.items():
        np.copyto(target, results[name])
    return results | targets


def _check_classifies(spec: ModelSpec) -> None:
    if spec.task in ("detect", "segment"):
        raise BadValue(f"{spec.name!r} is no classifier, its task is {spec.task!r}; call net.{spec.task}(picture)")
    missing = []
    if spec.task != "classify" or not any(o.meaning for o in spec.outputs):
        missing.append("that its output holds the scores of classes")
    if spec.input.preparation is None:
        missing.append("how a picture becomes its input")
    if len(spec.inputs) != 1:
        raise BadValue(
            f"{spec.name!r} has {len(spec.inputs)} inputs; only a network with one input classifies a picture"
        )
    if missing:
        raise BadValue(
            f"{spec.name!r} does not say {' or '.join(missing)}; say it with net.as_classifier(preparation, labels) "
            "in Python, with --labels FILE on the command line"
        )


def _check_detects(spec: ModelSpec) -> None:
    lacking = "" if spec.task == "detect" and spec.detection else "how its outputs become boxes"
    _check_answers(spec, lacking, "detectors that export or convert wrote find objects")


def _check_segments(spec: ModelSpec) -> None:
    lacking = "" if spec.task == "segment" else "what classes its outputs give each pixel"
    _check_answers(spec, lacking, "segmenters that export or convert wrote segment pictures")


def _check_features(spec: ModelSpec) -> None:
    if spec.task != "features":
        raise BadValue(f"{spec.name!r} gives no features; name layers: load(file, layers=[...])")
    if len(spec.inputs) != 1 or spec.input.preparation is None:
        raise BadValue(
            f"{spec.name!r} does not say how a picture becomes its input; prepare it and call net.run(tensor)"
        )


def _check_answers(spec: ModelSpec, lacking: str, who: str) -> None:
    missing = [lacking] if lacking else []
    if len(spec.inputs) != 1 or spec.input.preparation is None:
        missing.append("how a picture becomes its input")
    if missing:
        raise BadValue(f"{spec.name!r} does not say {' or '.join(missing)}, its task is {spec.task!r}; only {who}")
