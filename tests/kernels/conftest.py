"""A number of threads for one test; a fresh process, which alone shows what is compiled and which threads start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

import fused_kernels as fk


@pytest.fixture
def fresh_process() -> Callable[..., str]:
    """Run code in a process of its own and return what it prints; it fails if the code does."""

    def run(code: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def use_threads() -> Iterator[Callable[[int], None]]:
    """`set_num_threads`, for one test."""
    before = fk.get_num_threads()
    yield fk.set_num_threads
    fk.set_num_threads(before)


@pytest.fixture(autouse=True)
def catalogue() -> Iterator[None]:
    """Leave the catalogue as it was."""
    before = set(fk.OPS)
    yield
    for name in set(fk.OPS) - before:
        fk.OPS.remove(name)
