"""A runtime that is shut down at the end of a test, and a GPU that is emulated on the CPU."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import workbench as wb
from workbench.ring.cuda import program

from ...kernels.cuda.emulated_driver import Machine  # noqa: TID252


@pytest.fixture
def runtime() -> Iterator[wb.Runtime]:
    with wb.Runtime() as made:
        yield made


@pytest.fixture(scope="session")
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """An emulated GPU, with the compiler that it needs."""
    if shutil.which("g++") is None:
        pytest.skip("there is no g++ to compile kernels for the CPU with: apt install g++")
    cache = getattr(request.config, "cache", None)  # which can be turned off
    return Machine(Path(cache.mkdir("emulated_kernels")) if cache else tmp_path_factory.mktemp("emulated_kernels"))


@pytest.fixture
def gpu(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """The emulated GPU in the place of one, as new; blocks have two warps, so that both ways to share work are used."""
    monkeypatch.setattr(program, "THREADS", 64)
    with machine.in_place():
        yield machine
        assert not machine.failure
    assert not machine.given, "memory of the GPU was not given back"
    assert not machine.busy, "a kernel stays on the card"
