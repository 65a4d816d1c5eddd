"""Compiled kernels are kept on disk, used again by the next process, and never trusted when they should not be."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CALL = """
import warnings, numpy as np, fused_kernels as fk
warnings.simplefilter("error")
np.testing.assert_allclose(fk.scale(np.ones((2, 3), 'f4'), 2), 2)
(dispatcher,) = fk.scale.forms().kernels.values()
hits, misses = (sum(counts.values()) for counts in (dispatcher.stats.cache_hits, dispatcher.stats.cache_misses))
code = "" if hits else "".join(dispatcher.inspect_asm().values())  # that of a cached kernel cannot be looked at
print("hits", hits, "misses", misses, *(width for width in ("ymm", "zmm") if width in code))
"""
COMPILED, FOUND = "hits 0 misses 1", "hits 1 misses 0"


def where(folder: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(folder), "NUMBA_CACHE_DIR": ""}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that two processes filled at once."""
    folder = tmp_path_factory.mktemp("cache")
    both = [
        subprocess.Popen(
            [sys.executable, "-c", CALL],
            env={**os.environ, **where(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120) for process in both]
    assert not any(process.returncode for process in both), said
    assert any(out.startswith(COMPILED) for out, _ in said), said
    return folder


@pytest.fixture
def cache(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def run(fresh_process: Callable[..., str]) -> Callable[..., str]:
    return lambda **environment: fresh_process(CALL, **environment)


def test_each_processor_compiles_for_itself_and_finds_its_own_again(run: Callable[..., str], cache: Path) -> None:
    # The least that an x86-64 can do; elsewhere the least that LLVM knows.
    least = {"NUMBA_CPU_NAME": "x86-64" if platform.machine() == "x86_64" else "generic", "NUMBA_CPU_FEATURES": ""}
    assert run(**where(cache), **least) == COMPILED, "another processor's code is not used, and its own is no wider"
    assert run(**where(cache), **least) == FOUND
    assert run(**where(cache)) == FOUND


def test_a_damaged_file_is_replaced(run: Callable[..., str], cache: Path) -> None:
    files = list(cache.rglob("*.nbc"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:100])
    in_it = {"NUMBA_CACHE_DIR": str(cache)}
    assert run(**in_it).startswith(COMPILED)
    assert run(**in_it) == FOUND
