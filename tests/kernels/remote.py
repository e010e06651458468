"""The engine on another processor: what looks like `underone._native` talks to runner.cpp, in an emulator if need be.

conftest.py puts it in the place of the compiled module when UNDERONE_TEST_NATIVE names a program, so that the same
tests run there. What is not about plans or pictures is missing.
"""

import platform
import shutil
import struct
import subprocess
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


class Unsupported(NotImplementedError):
    """What the engine does not have."""


ERRORS = {"Unsupported": Unsupported, "ValueError": ValueError}


class Runner:
    """One process of the program."""

    def __init__(self, program: Path) -> None:
        head = [] if platform.machine() == "aarch64" else [emulator()]
        self.process = subprocess.Popen([*head, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __del__(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()

    def ask(self, command: str, *arguments: Any) -> None:
        """Send one command.

        Raises:
            Unsupported, ValueError: what the program says.
            RuntimeError: it died.
        """
        self.process.stdin.write(command.encode() + b"".join(map(packed, arguments)))
        self.process.stdin.flush()
        kind, _, message = self.block().decode().partition(":")
        if kind:
            raise ERRORS[kind](message)

    def block(self) -> bytes:
        """Read one block of an answer."""
        return self._read(struct.unpack("<q", self._read(8))[0])

    def _read(self, count: int) -> bytes:
        data = self.process.stdout.read(count)
        if len(data) != count:
            raise RuntimeError(f"the runner died with {self.process.wait()}")
        return data


def emulator() -> str | None:
    """Give the path of an emulator of arm64 programs, or None."""
    return shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")


def packed(value: Any) -> bytes:
    """Write numbers, texts, arrays and nested lists of them as the program reads them."""
    match value:
        case bool() | int() | np.integer():
            return struct.pack("<q", value)
        case float():
            return struct.pack("<d", value)
        case str():
            return packed(value.encode())
        case bytes():
            return struct.pack("<q", len(value)) + value
        case np.ndarray():
            return packed(value.tobytes())
        case tuple():  # fields of a row, one after the other
            return b"".join(map(packed, value))
        case _:
            return struct.pack("<q", len(value)) + b"".join(map(packed, value))


def attribute(value: Any) -> tuple[str, Any]:
    """Give the letter of its kind with an attribute, as nanobind would choose it."""
    if isinstance(value, str):
        return "s", value
    if not isinstance(value, Sequence):
        return ("i", int(value)) if isinstance(value, int | np.integer) else ("f", float(value))
    if all(isinstance(v, int | np.integer) for v in value):
        return "I", [int(v) for v in value]
    return "F", [float(v) for v in value]


class Plan:
    """A plan in a process of its own."""

    def __init__(
        self,
        program: Path,
        tensors: Sequence[Any],
        constants: Mapping[int, Any],
        steps: Sequence[Any],
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        isa: str,
        precision: str = "float32",
        threads: int = 1,
    ) -> None:
        self.inputs, self.outputs = ([tensors[i] for i in numbers] for numbers in (inputs, outputs))
        rows = [
            (name, label, [(k, *attribute(v)) for k, v in attrs.items()], *sides)
            for name, label, attrs, *sides in steps
        ]
        self.runner = Runner(program)
        shapes = [(dtype, list(shape), pad) for dtype, shape, pad in tensors]
        values = list(constants.items())
        self.runner.ask("P", shapes, values, rows, list(inputs), list(outputs), isa, precision, threads)

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """Run once."""
        if len(inputs) != len(self.inputs):
            raise ValueError(f"{len(inputs)} inputs were given; {len(self.inputs)} are required")
        for i, (array, (dtype, shape, _)) in enumerate(zip(inputs, self.inputs, strict=True)):
            if array.dtype != dtype or array.shape != tuple(shape):
                raise ValueError(f"input {i} does not fit; {dtype} {tuple(shape)} is required")
        self.runner.ask("R", list(inputs))
        return [np.frombuffer(self.runner.block(), t).reshape(s).copy() for t, s, _ in self.outputs]

    def poison(self) -> None:
        """Fill the memory between the steps with NaN."""
        self.runner.ask("N")


def photo(pixels: Any) -> tuple[Any, ...]:
    """Give the fields of a picture."""
    return pixels, *pixels.shape[:2], pixels.ndim == 3


def frame(luma: Any, blue: Any, red: Any, factors: Sequence[int]) -> tuple[Any, ...]:
    """Give the fields of a frame."""
    step = blue.strides[1]
    return luma, np.stack([blue, red], axis=2 if step == 2 else 0), *luma.shape, step, list(factors)


def prepare(program: Path, command: str, source: tuple[Any, ...], out: Any, *, isa: str, **how: Any) -> None:
    """Prepare a picture or a frame."""
    sizes = out.shape[1:3] if how["channels_last"] else out.shape[2:]
    order = (*how["resized"], *how["origin"], how["interpolation"], how["columns_first"], how["color"], how["tables"])
    fill(program, out, command, *source, *sizes, how["channels_last"], *order, isa)


def fill(program: Path, out: Any, command: str, *arguments: Any) -> None:
    """Fill an array with what a command gives."""
    runner = Runner(program)
    runner.ask(command, *arguments)
    out[...] = np.frombuffer(runner.block(), out.dtype).reshape(out.shape)


def module(program: Path) -> types.ModuleType:
    """Give what stands for `underone._native`."""
    runner = Runner(program)
    runner.ask("M")
    isa = runner.block().decode()
    made = types.ModuleType("underone._native", f"The engine in {program}.")
    made.Unsupported = Unsupported
    made.Plan = type("Plan", (Plan,), {"__init__": lambda self, *a, **k: Plan.__init__(self, program, *a, **k)})
    made.prepare = lambda pixels, out, **k: prepare(program, "S", photo(pixels), out, **k)
    made.prepare_planes = lambda *planes, factors, **k: prepare(
        program, "V", frame(*planes[:3], factors), planes[3], **k
    )
    made.planes_to_rgb = lambda *planes, factors, isa: fill(program, planes[3], "C", *frame(*planes[:3], factors), isa)
    made.resize = lambda pixels, out, *, mirrored, columns_first, isa: fill(
        program, out, "Z", *photo(pixels), *out.shape[1:], mirrored, columns_first, isa
    )
    made.isas = lambda: [isa]
    made.has_amx = made.has_dots = made.has_fast_dots = lambda: False
    return made
