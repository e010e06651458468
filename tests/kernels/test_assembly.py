"""What the compiler made of the kernels: a slow path is silent, so the instructions are read."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LANES = {"avx2": 8, "avx512": 16, "neon": 4, "wasm": 4}
MULTIPLY_ADD = re.compile(r"\t(vfn?m(add|sub)\d+[ps]s|fmla|fmls)\t")
STACK = re.compile(r"\(%rsp|\[sp")
VECTOR = re.compile(r"%[xyz]mm\d|\bq\d|\bv\d")
STORE = re.compile(r"\t(vmov\w+\t%[xyz]mm\d+, .*\(%rsp|st[rp]\tq.*\[sp)")
CALL = re.compile(r"^\t(call|callq|bl|blr)\t(?!uo_)", re.MULTILINE)

# registers that go to the stack for each multiply-add, at most: a kernel that needs more has a tile that is too large
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


PRODUCTS = {name: shape for name in KERNELS if (shape := re.match(r"uo_product_(\d+)x(\d+)_(?:add_)?(\w+)", name))}


def pytest_generate_tests(metafunc):
    """Run a test once per kernel, or say that there are none."""
    for argument, names in (
        ("kernel", list(KERNELS)),
        ("product", list(PRODUCTS)),
        ("other", [*set(KERNELS) - set(PRODUCTS)]),
    ):
        if argument in metafunc.fixturenames:
            none = pytest.param("", marks=pytest.mark.skip(reason="there is no build tree with compiled kernels"))
            metafunc.parametrize(argument, sorted(names) or [none])


def loops(text):
    """Give the instructions of every loop that has no other inside: from its label to the jump back."""
    for block in re.split(r"(?m)^(?=\.LBB\d+_\d+:)", text)[1:]:
        label = block[: block.index(":")]
        body = [line for line in block.splitlines()[1:] if line.startswith("\t") and not line.startswith("\t.")]
        ends = [i for i, line in enumerate(body) if re.search(rf"\t(j\w+|b\.\w+|cbn?z)\t.*{re.escape(label)}\b", line)]
        if ends:
            yield body[: ends[0] + 1]


def hottest(text):
    """Give the innermost loop with the most multiply-adds."""
    return max(loops(text), key=lambda body: sum(map(bool, map(MULTIPLY_ADD.search, body))))


def test_no_kernel_gathers_or_calls(kernel):
    text = KERNELS[kernel]
    assert not re.search("gather", text, re.IGNORECASE), f"{kernel} collects single elements"
    assert not CALL.findall(text), f"{kernel} calls a function"
    assert "halide_" not in text.replace("halide_buffer_t", "").replace("halide_type_t", ""), kernel


def test_the_hottest_loop_of_a_product_is_multiply_adds_on_registers(product):
    pixels, channels, isa = int(PRODUCTS[product][1]), int(PRODUCTS[product][2]), PRODUCTS[product][3]
    body = hottest(KERNELS[product])
    multiply_adds = sum(map(bool, map(MULTIPLY_ADD.search, body)))
    assert multiply_adds % (pixels * channels // LANES[isa]) == 0
    assert multiply_adds > 0
    assert not [line for line in body if STACK.search(line) and VECTOR.search(line)], f"{product} spills"
    assert len(body) <= 2.6 * multiply_adds + 12, (
        f"{product}: {len(body)} instructions for {multiply_adds} multiply-adds"
    )


def test_spills_of_other_kernels_are_bounded(other):
    multiply_adds, stores = len(MULTIPLY_ADD.findall(KERNELS[other])), len(STORE.findall(KERNELS[other]))
    assert multiply_adds > 0
    assert stores <= SPILLS[other.split("_")[1]] * multiply_adds, f"{other} puts {stores} registers on the stack"


def disassembly(path):
    tool = shutil.which("objdump")
    if not tool:
        pytest.skip("there is no objdump")
    done = subprocess.run([tool, "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True)
    if "file format elf64-x86-64" not in done.stdout:
        pytest.skip("the objects are for another processor")
    return done.stdout


def objects(folder):
    """Give the objects of the newest build of the module for Python."""
    trees = sorted((ROOT / "build").glob(f"cp3*/CMakeFiles/{folder}.dir/csrc"), key=os.path.getmtime)
    if not trees:
        pytest.skip("there is no build tree")
    return sorted(trees[-1].glob("*.o"))


def test_bfloat16_is_multiplied_by_tiles_and_by_pairs():
    text = "".join(map(disassembly, objects("csrc_amx")))
    assert text.count("tdpbf16ps") >= 4  # a block of two by two tiles
    assert text.count("vdpbf16ps") > 0


def test_what_every_processor_runs_has_no_wide_registers():
    for path in objects("_native"):
        assert not re.search(r"%[yz]mm|%k[1-7]\b", disassembly(path)), f"{path.name} needs AVX"
