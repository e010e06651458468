"""The engine on arm64: built by a cross-compiler, run by an emulator, judged by the tests that judge it here."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "arm64"
COMPILER = "aarch64-linux-gnu-g++"
KERNELS = [
    "tests/native/test_maps.py",
    "tests/native/test_quantised.py",
    "tests/image/test_resample.py",
    "tests/image/test_planes.py",
]
OPERATORS = ["tests/native/test_plain.py", "tests/native/test_networks.py", "tests/image/test_prepare.py"]
DEFINES = {
    "UNDERONE_RUNNER": "ON",
    "CMAKE_SYSTEM_NAME": "Linux",
    "CMAKE_SYSTEM_PROCESSOR": "aarch64",
    "CMAKE_CXX_COMPILER": COMPILER,
}
# left out: checks that stand in the bindings of Python, which are not there, and plans that name an x86 instruction set
OTHERS = "not does_not_fit and not of_one_step and not behind_the_picture and not out_of_bounds and not slow"
# everything that there is; the first of them, with nothing beyond ARMv8.0
PROCESSORS = {"max": [*KERNELS, *OPERATORS], "cortex-a53": KERNELS}


def run(*command, **variables):
    environment = os.environ | variables
    done = subprocess.run([*map(str, command)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def runner():
    for tools, what in (((COMPILER,), "a cross-compiler"), (("qemu-aarch64-static", "qemu-aarch64"), "an emulator")):
        if platform.machine() != "aarch64" and not any(map(shutil.which, tools)):
            pytest.skip(f"there is no {what} of arm64: {' or '.join(tools)}")
    options = [word for name, value in DEFINES.items() for word in ("-C", f"cmake.define.{name}={value}")]
    target = ["--upgrade", "--no-deps", "--target", BUILD, "-C", f"build-dir={BUILD}-objects"]
    run(sys.executable, "-m", "pip", "install", "--quiet", *target, *options, ROOT)
    return BUILD


@pytest.mark.slow
@pytest.mark.parametrize("processor", PROCESSORS)
def test_the_engine_on_arm64_is_the_reference(runner, processor):
    command = [sys.executable, "-m", "pytest", "-v", "-k", OTHERS, *PROCESSORS[processor]]
    said = run(*command, UNDERONE_TEST_NATIVE=str(runner), QEMU_CPU=processor)
    assert said.count("neon") > 400
    for part in ("image/test_resample", "image/test_planes"):
        assert re.search(rf"{part}\.py::\S+neon\S* PASSED", said), f"nothing of {part} ran there"
    passed = "\n".join(line for line in said.splitlines() if " PASSED" in line)  # those of other processors are skipped
    assert not {"avx2", "avx512"} & set(re.split(r"\W", passed))
