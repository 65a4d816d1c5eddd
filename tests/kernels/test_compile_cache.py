"""Compiled kernels are kept on disk, used again by the next process, and never trusted when they should not be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

CALL = """
import warnings, numpy as np, fused_kernels as fk
warnings.simplefilter("error")
np.testing.assert_allclose(fk.scale(np.ones((2, 3), 'f4'), 2), 2)
(dispatcher,) = fk.scale.forms().kernels.values()
print('hits', sum(dispatcher.stats.cache_hits.values()), 'misses', sum(dispatcher.stats.cache_misses.values()))
"""


@pytest.fixture
def run(fresh_process: Callable[..., str]) -> Callable[..., str]:
    return lambda **environment: fresh_process(CALL, **environment)


def test_the_second_process_starts_from_the_cache(run: Callable[..., str], tmp_path: Path) -> None:
    where = {"XDG_CACHE_HOME": str(tmp_path), "NUMBA_CACHE_DIR": ""}
    assert run(**where) == "hits 0 misses 1"
    assert run(**where) == "hits 1 misses 0"


def test_a_damaged_file_is_replaced(run: Callable[..., str], tmp_path: Path) -> None:
    where = {"NUMBA_CACHE_DIR": str(tmp_path)}
    run(**where)
    files = list(tmp_path.rglob("*.nbc"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:100])
    assert run(**where) == "hits 0 misses 1"
    assert run(**where) == "hits 1 misses 0"


def test_another_processor_compiles_for_itself(run: Callable[..., str], tmp_path: Path) -> None:
    where = {"XDG_CACHE_HOME": str(tmp_path), "NUMBA_CACHE_DIR": ""}
    run(**where)
    assert run(**where, NUMBA_CPU_NAME="generic") == "hits 0 misses 1"


def test_without_a_writable_home_it_compiles_and_keeps_nothing(run: Callable[..., str]) -> None:
    assert run(XDG_CACHE_HOME="/dev/null/nowhere", NUMBA_CACHE_DIR="") == "hits 0 misses 1"
