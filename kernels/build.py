"""Compile every kernel for the named instruction sets into objects: python build.py FOLDER ISA,ISA.

The objects lie in FOLDER/<hash of these sources>, which is printed; nothing is done when it is complete.
"""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import halide as hl
from depthwise import depthwise
from depthwise_bf16 import depthwise_bf16
from isa import ISAS, Isa
from stem import stem

Kernel = tuple[hl.Func, list[object]]


def kernels(isa: Isa) -> Iterator[tuple[str, Kernel]]:
    """Give every kernel of one instruction set with its name."""
    for size in (3, 5):
        for stride in (1, 2):
            yield f"depthwise_{size}s{stride}", depthwise(isa, size, stride)
    for stride in (1, 2):
        yield f"depthwise_bf16_3s{stride}", depthwise_bf16(isa, 3, stride)
    yield "stem", stem(isa)


def digest(names: list[str]) -> str:
    """Hash everything that the objects depend on."""
    content = b"".join(p.read_bytes() for p in sorted(Path(__file__).parent.glob("*.py")))
    return hashlib.sha256(
        content + repr((names, hl.__version__ if hasattr(hl, "__version__") else "")).encode()
    ).hexdigest()[:16]


def main(folder: Path, names: list[str]) -> Path:
    """Compile what is missing and return the folder of the objects."""
    done = folder / digest(names)
    if done.is_dir():
        return done
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder))
    for name in names:
        for kernel, (func, arguments) in kernels(ISAS[name]):
            symbol = f"uo_{kernel}_{name}"
            func.compile_to_object(str(work / f"{symbol}.o"), arguments, symbol, ISAS[name].halide)
            func.compile_to_assembly(str(work / f"{symbol}.s"), arguments, symbol, ISAS[name].halide)
    try:
        work.rename(done)
    except OSError:  # somebody else was faster
        shutil.rmtree(work)
    return done


sys.stdout.write(str(main(Path(sys.argv[1]), sys.argv[2].split(","))))
