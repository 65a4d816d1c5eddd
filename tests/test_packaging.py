"""pyproject.toml, constraints.txt and environment.yml say the same, and the version is one."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import workbench

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
REQUIRED = sorted({*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)})
CUSTOMERS_LIST = [
    *("jupyterlab", "ipywidgets", "numpy", "cupy-cuda12x", "numba", "torch"),
    *("onnxruntime-gpu", "transformers", "plotly", "pytest", "nbval"),
]


def constraint_lines() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins() -> dict[str, str]:
    parsed = [Requirement(line) for line in constraint_lines()]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in parsed}


def environment() -> tuple[list[str], list[str]]:
    """Return the conda part and the pip part of environment.yml."""
    parts = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = (part["pip"] for part in parts if isinstance(part, dict))
    return [part for part in parts if isinstance(part, str)], pip


@pytest.mark.parametrize("line", REQUIRED)
def test_each_dependency_is_pinned_within_its_range(line: str) -> None:
    requirement = Requirement(line)
    pin = pins().get(canonicalize_name(requirement.name))
    assert pin, f"constraints.txt has no pin for {line}"
    assert requirement.specifier.contains(pin, prereleases=True), f"{requirement.name}=={pin} is outside {line}"


def test_constraints_are_exact_portable_and_unique() -> None:
    lines = constraint_lines()
    for line in lines:
        requirement = Requirement(line)  # a path, an address or an option is no requirement
        assert not requirement.url, line
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", line
        assert not any(mark in specifier.version for mark in "+*"), (
            f"{line}: a local version resolves on one machine only"
        )
    assert len(pins()) == len(lines)


@pytest.mark.parametrize("name", CUSTOMERS_LIST)
def test_environment_names_the_customers_packages(name: str) -> None:
    assert name in {Requirement(line).name for line in environment()[1] if not line.startswith("-")}


def test_environment_is_the_twin_of_pyproject() -> None:
    conda, pip = environment()
    assert pip[0] == "-c constraints.txt", "the pip part takes the same pins"
    assert pip[-1] == "-e .[gpu,test]", "and installs the package itself with its GPU and test extras"
    declared = {Requirement(line).name for extra in ("gpu", "test") for line in EXTRAS[extra]}
    declared |= {Requirement(line).name for line in PROJECT["dependencies"]}
    assert {Requirement(line).name for line in pip[1:-1]} <= declared
    (python,) = (line.removeprefix("python=") for line in conda if line.startswith("python="))
    assert PROJECT["requires-python"] == f">={python}"


def test_cpu_and_gpu_runtimes_are_never_installed_together() -> None:
    names = {extra: {Requirement(line).name for line in lines} for extra, lines in EXTRAS.items()}
    assert "onnxruntime" in names["cpu"]
    assert "onnxruntime-gpu" in names["gpu"] & names["gpu-cuda13"]
    for together in names.values():
        assert not {"onnxruntime", "onnxruntime-gpu"} <= together
    assert not any(Requirement(line).name.startswith("onnxruntime") for line in PROJECT["dependencies"])


def test_version_is_one() -> None:
    assert workbench.__version__ == PROJECT["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert f"## {PROJECT['version']}" in changelog, "CHANGELOG.md has no section for this version"


@pytest.mark.slow
def test_pip_part_of_the_environment_resolves() -> None:
    arguments = [word for line in environment()[1] for word in line.split(maxsplit=1 if line.startswith("-") else 0)]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    asked = subprocess.run([*command, "--no-deps", "numba"], cwd=ROOT, capture_output=True, text=True, check=False)
    if asked.returncode:
        pytest.skip(f"no package registry answers: {asked.stderr.strip().splitlines()[-1]}")
    done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
