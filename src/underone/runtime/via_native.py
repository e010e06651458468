"""Run with our own engine: compiled plans, one for each shape of the inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .. import _native
from ..errors import BadFile, BadValue, ShapeError, Unsupported
from ..files import MappedFile
from ..graph import Graph, read_onnx
from ..native import Program, choose_isa, lower
from .backends import Array
from .model_file import ModelFile
from .profile import Layer, Profile

Sizes = tuple[tuple[int, ...], ...]
_MOST_PLANS = 4  # plans that are kept for shapes seen lately


@dataclass
class Native:
    """A graph and the plans made from it."""

    graph: Graph
    name: str
    threads: int
    precision: str
    mapped: MappedFile | None = None  # what the graph's constants are views of
    apart: tuple[str, ...] = ()  # names of layers that stay in float32
    plans: dict[Sizes, _native.Plan] = field(default_factory=dict)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once."""
        given = [_plain(inputs[v.name]) for v in self.graph.inputs]
        if self._by_image and given[0].shape[0] != 1:
            parts = [self._run([a[i : i + 1] for a in given]) for i in range(given[0].shape[0])]
            results = [np.concatenate(column) for column in zip(*parts, strict=True)]
        else:
            results = self._run(given)
        return {v.name: r.astype(v.dtype, copy=False) for v, r in zip(self.graph.outputs, results, strict=True)}

    def clone(self) -> "Native":
        """Return an adapter with plans of its own, on the same graph."""
        return Native(self.graph, self.name, self.threads, self.precision, self.mapped, self.apart)

    def profile(self, inputs: Mapping[str, Array], rounds: int) -> Profile:
        """Time every step; the least of all rounds counts. One image, or the whole of a fixed batch."""
        given = [_plain(inputs[v.name]) for v in self.graph.inputs]
        if self._by_image:
            given = [a[:1] for a in given]
        sizes = tuple(a.shape for a in given)
        before = _ceiling()
        seconds = self.plan(sizes).profile(given, rounds)
        layers = [
            Layer(
                s.nodes[0] if s.nodes else s.label, s.op.removeprefix("cells."), s.nodes, 1e3 * t, s.macs, s.bytes_moved
            )
            for s, t in zip(self._lowered(sizes).steps, seconds, strict=True)
        ]
        return Profile(tuple(layers), self.threads * max(before, _ceiling()))

    def _lowered(self, sizes: Sizes) -> Program:
        return lower(self.graph, dict(zip([v.name for v in self.graph.inputs], sizes, strict=True)), self.apart)

    def _run(self, arrays: list[Array]) -> list[Array]:
        plan = self.plan(tuple(a.shape for a in arrays))
        try:
            return plan.run(arrays)
        except ValueError as error:  # an index that is computed or given may lie outside its axis
            raise BadValue(f"{self.name}: {error}") from error

    @property
    def _by_image(self) -> bool:
        return all(v.shape and v.shape[0] is None for v in (*self.graph.inputs, *self.graph.outputs))

    @property
    def _pages(self) -> memoryview | None:  # of the file: the plan gives them back as it packs what they hold
        return None if self.mapped is None else self.mapped.pages

    def plan(self, sizes: Sizes) -> _native.Plan:
        """Make the plan for these shapes of the inputs, or give the one that was made."""
        if sizes not in self.plans:
            while len(self.plans) >= _MOST_PLANS:
                del self.plans[next(iter(self.plans))]
            self.plans[sizes] = self._compiled(sizes)
        return self.plans[sizes]

    def _compiled(self, sizes: Sizes) -> _native.Plan:
        if self.mapped is not None:
            self.mapped.check()
        try:
            program = self._lowered(sizes)
            if self.mapped is not None:
                self.mapped.release()  # pages around the names of tensors
            return self._made(program)
        finally:
            if self.mapped is not None:
                self.mapped.release()

    def _made(self, program: Program) -> _native.Plan:
        isa = choose_isa()
        try:
            return _native.Plan(
                *program.arguments(), isa=isa, precision=self.precision, threads=self.threads, mapped=self._pages
            )
        except _native.Unsupported as error:
            raise Unsupported(f"{self.name}: {error}; use another backend") from error
        except (ValueError, MemoryError) as error:
            raise BadFile(f"{self.name}: {error}") from error


def open_model(file: ModelFile, threads: int, precision: str, apart: tuple[str, ...] = ()) -> Native:
    """Open a file; a file whose shapes are known is compiled at once.

    Raises:
        BadFile: the file does not fit together.
        UnknownName: a layer in `apart` is not in the file.
        Unsupported: an operator or a form of one that the engine does not have.
    """
    graph = read_onnx(file.content, file.name)
    engine = Native(graph, file.name, threads, precision, file.mapped, apart)
    sizes = tuple(tuple(1 if i == 0 and d is None else d for i, d in enumerate(v.shape)) for v in graph.inputs)
    if all(d is not None for size in sizes for d in size):
        try:
            engine.plan(sizes)  # type: ignore[arg-type]
        except ShapeError as error:
            raise BadFile(f"{file.name}: {error}") from error
    return engine


def _ceiling() -> float:
    """Measure multiply-adds of one thread; the best of many short looks, as the least time of a layer is."""
    isa = choose_isa().replace("amx", "avx512").removesuffix("_bf16")
    return max(_native.peak(isa, 0.002) for _ in range(25))


def _plain(array: Array) -> Array:
    return np.ascontiguousarray(array, np.float32 if array.dtype == np.float16 else array.dtype)
