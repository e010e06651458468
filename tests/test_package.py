"""The package from outside: its public face, what it loads, what it installs."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import underone

try:
    from underone import _native

    ISAS, AMX = _native.isas(), _native.has_amx()
except ImportError:  # built without the engine
    ISAS, AMX = [], False

ROOT = Path(__file__).parents[1]


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def loaded_by(code):
    return set(run(sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules, sep='\\n')").split())


def test_import_loads_no_torch_nor_anything_heavy():
    heavy = {"torch", "torchvision", "timm", "onnx", "onnxruntime", "openvino", "numpy", "PIL", "pydantic", "rich"}
    assert not heavy & loaded_by("import underone")


def test_deployment_loads_no_torch():
    code = "import underone.runtime, underone.graph, underone.image, underone.post, underone.bench, underone.cli"
    assert not {"torch", "torchvision", "timm"} & loaded_by(code)


def test_listing_the_zoo_loads_no_torch():
    assert "torch" not in loaded_by("import underone\nassert underone.list_models('mobileone*')")


def test_public_names_are_exactly_those_that_resolve():
    for name in underone.__all__:
        value = getattr(underone, name)
        assert callable(value) or name == "__version__", name
        assert name == "__version__" or value.__doc__, f"{name} has no docstring"
    assert set(dir(underone)) == set(underone.__all__)


@pytest.mark.parametrize("module", ["formats", "conversion", "zoo", "fold", "runtime", "bench"])
def test_public_verbs_are_not_hidden_by_a_module_of_the_same_name(module):
    code = f"import underone.{module}, underone as uo\nfor n in uo.__all__[1:]: assert callable(getattr(uo, n)), n"
    run(sys.executable, "-c", code)


def test_unknown_attribute_names_the_public_ones():
    with pytest.raises(AttributeError, match=r"module 'underone' has no attribute 'modle'; it has create_model"):
        _ = underone.modle


def test_version_stands_in_the_project_file_and_the_changelog():
    assert f'version = "{underone.__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    code = (
        "import sys, torch, underone as uo\n"
        "from underone.zoo.statistics import settle_statistics\n"
        "torch.manual_seed(0)\n"
        "model = uo.create_model('mobilenet_v2_035', num_classes=7)\n"
        "settle_statistics(model)\n"
        "uo.export(uo.reparameterize(model), sys.argv[1])"
    )
    run(sys.executable, "-c", code, path)
    return path


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A folder with nothing but the wheel and what it requires, and no compiler in sight."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(folder, with_pip=True)
    alone = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PATH": str(folder / "bin"), "CXX": "false"}
    run(folder / "bin/python", "-m", "pip", "install", "--quiet", wheel, env=alone)
    return folder / "bin", alone


def test_wheel_in_an_empty_environment_answers_without_extras(environment, model, tmp_path):
    programs, alone = environment
    installed = {p["name"] for p in json.loads(run(programs / "python", "-m", "pip", "list", "--format", "json"))}
    assert not {"torch", "onnxruntime", "openvino", "halide"} & installed
    photo = ROOT / "src/underone/image/photos/giant_panda.jpg"
    answer = run(programs / "underone", "predict", photo, "--model", model, "--json", env=alone, cwd=tmp_path)
    assert len(json.loads(answer)["top"]) == 5


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("isa", sorted({*ISAS, *(["amx"] if AMX else [])}))
def test_engine_of_the_wheel_is_the_reference_on_every_instruction_set(environment, model, isa, precision, tmp_path):
    programs, alone = environment
    code = (
        "import sys, numpy, underone as uo\n"
        "from underone.compare import ROUNDING, difference\n"
        "from underone.image import photograph, prepare\n"
        "net, reference = uo.load(sys.argv[1], precision=sys.argv[2]), uo.load(sys.argv[1], 'reference')\n"
        "x = {net.spec.input.name: prepare(photograph(), net.spec.input)}\n"
        "(got,), (want,) = net.run(x).values(), reference.run(x).values()\n"
        "nmse, peak = difference(got, want)\n"
        "assert nmse <= ROUNDING[sys.argv[2]].nmse and peak <= ROUNDING[sys.argv[2]].peak, (nmse, peak)\n"
        "print(net.backend, got.argmax() == want.argmax())"
    )
    found = run(programs / "python", "-c", code, model, precision, env=alone | {"UNDERONE_ISA": isa}, cwd=tmp_path)
    assert found.split() == ["native", "True"]
