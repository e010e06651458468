"""Plots are optional: without their package one line says how to install it."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("module", "package"), [("plots", "matplotlib"), ("report", "jinja2")])
def test_a_report_without_its_packages_says_how_to_get_them(module, package):
    code = f"import sys; sys.modules[{package!r}] = None\nimport underone.bench.{module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"a report needs the package {package}; install it with: pip install 'underone[report]'" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("underone.errors.MissingExtra")
