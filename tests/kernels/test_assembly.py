"""What the compiler made of the kernels: a slow path is silent, so the instructions are read."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LANES = {"avx2": 8, "avx512": 16, "neon": 4, "wasm": 4}
MULTIPLY_ADD = re.compile(r"\t(vfn?m(add|sub)\d+[ps]s|fmla|fmls)\s")
STACK = re.compile(r"\(%rsp|\[sp")
VECTOR = re.compile(r"%[xyz]mm\d|\bq\d|\bv\d")
STORE = re.compile(r"\t(vmov\w+\t%[xyz]mm\d+, .*\(%rsp|st[rp]\tq.*\[sp)")
CALL = re.compile(r"^\t(call|callq|bl|blr)\t(?!uo_)", re.MULTILINE)

# registers that go to the stack for each multiply-add, at most: a kernel with more has a tile that is too large
SPILLS = {"depthwise": 0.5, "stem": 0.65}


def newest_kernels():
    """Give the assembly files of each instruction set that was built last."""
    found = {}
    for folder in sorted((ROOT / "build" / "kernels").glob("*/"), key=lambda p: p.stat().st_mtime):
        for path in folder.glob("uo_*.s"):
            isa = path.stem.rpartition("_")[2]
            if found.setdefault(isa, (folder, []))[0] != folder:
                found[isa] = (folder, [])
            found[isa][1].append(path)
    return {p.stem: p.read_text() for _, paths in found.values() for p in sorted(paths)}


KERNELS = newest_kernels()


@pytest.fixture(params=KERNELS or [""])
def kernel(request):
    if not KERNELS:
        pytest.skip("there is no build tree with compiled kernels")
    return request.param


def test_no_kernel_gathers_or_calls(kernel):
    text = KERNELS[kernel]
    assert not re.search("gather", text, re.IGNORECASE), f"{kernel} collects single elements"
    assert not CALL.findall(text), f"{kernel} calls a function"
    assert "halide_" not in text.replace("halide_buffer_t", "").replace("halide_type_t", ""), kernel


def test_spills_of_kernels_are_bounded(kernel):
    multiply_adds, stores = len(MULTIPLY_ADD.findall(KERNELS[kernel])), len(STORE.findall(KERNELS[kernel]))
    assert multiply_adds > 0
    assert stores <= SPILLS[kernel.split("_")[1]] * multiply_adds, f"{kernel} puts {stores} registers on the stack"


def objects(folder, tree="cp3*"):
    """Give the objects of the newest build, of the module for Python unless said otherwise."""
    trees = sorted((ROOT / "build").glob(f"{tree}/CMakeFiles/{folder}.dir/csrc"), key=os.path.getmtime)
    if not trees:
        pytest.skip("there is no build tree")
    return sorted(trees[-1].glob("*.o"))


def disassembly(path, tool="objdump"):
    if not shutil.which(tool):
        pytest.skip(f"there is no {tool}")
    done = subprocess.run([tool, "-dC", "--no-show-raw-insn", path], capture_output=True, text=True, check=True)
    if tool == "objdump" and "file format elf64-x86-64" not in done.stdout:
        pytest.skip("the objects are for another processor")
    return done.stdout


@pytest.mark.parametrize("isa", ["avx512", "avx2", "neon"])
def test_the_sums_of_a_product_stay_in_registers(isa):
    of_arm = isa == "neon" and platform.machine() != "aarch64"
    tree, tool = ("arm64-objects", "aarch64-linux-gnu-objdump") if of_arm else ("cp3*", "objdump")
    (path,) = (o for o in objects(f"csrc_{isa}", tree) if o.name.startswith("panels_isa"))
    tiles = re.findall(r"multiply<(\d+), (\d+)>\(.*>:\n((?:.+\n)+)", disassembly(path, tool))
    assert tiles
    for channels, pixels, text in tiles:
        lines = text.splitlines()
        found = [i for i, line in enumerate(lines) if MULTIPLY_ADD.search(line)]
        loop = int(pixels) * int(channels) // LANES[isa]
        assert len(found) == 2 * loop, f"{channels} channels, {pixels} pixels"  # whole blocks of channels, and the rest
        for first, last in ((found[0], found[loop - 1]), (found[loop], found[-1])):
            spilled = [line for line in lines[first:last] if STACK.search(line) and VECTOR.search(line)]
            assert not spilled, f"{channels} channels, {pixels} pixels: {spilled}"


@pytest.mark.parametrize("isa", ["avx512", "avx2"])
def test_nothing_of_ours_gathers_single_elements(isa):
    for path in objects(f"csrc_{isa}"):
        assert "gather" not in re.sub("<.*>", "", disassembly(path)), path.name


def test_bfloat16_is_multiplied_by_tiles_and_by_pairs():
    text = "".join(map(disassembly, objects("csrc_amx")))
    assert text.count("tdpbf16ps") >= 4  # a block of two by two tiles
    assert text.count("vdpbf16ps") > 0


def test_what_every_processor_runs_has_no_wide_registers():
    for path in objects("_native"):
        assert not re.search(r"%[yz]mm|%k[1-7]\b", disassembly(path)), f"{path.name} needs AVX"
