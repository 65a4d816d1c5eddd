"""Compiling ahead of time: in other processes, into the cache that this one then starts from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import fused_kernels as fk

COUNT = """
import numpy as np, fused_kernels as fk
x = np.ones((600, 700), 'f4')
fk.relu(x), fk.relu(x, out=x), fk.relu(x[:3])
kernels = fk.relu.forms().kernels.values()
print('hits', sum(sum(kernel.stats.cache_hits.values()) for kernel in kernels), end=' ')
print('misses', sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels))
"""

WARM = """
import fused_kernels as fk
seen = []
done = fk.warmup(["relu", "scale"], dtypes=["float32"], progress=lambda *what: seen.append(what))
print(done)
print(sorted(count for count, total, what in seen), {total for count, total, what in seen})
"""


def test_what_was_warmed_up_is_not_compiled_again(fresh_process: Callable[..., str], tmp_path: Path) -> None:
    where = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_NUM_THREADS": "2"}
    said, counts = fresh_process(WARM, **where).splitlines()
    assert "failed={}" in said
    assert counts == "[1, 2] {2}"
    assert fresh_process(COUNT, **where) == "hits 1 misses 0"


def test_without_a_cache_this_process_compiles_itself(fresh_process: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    said = fresh_process(WARM.replace('"relu", "scale"', '"relu"'), NUMBA_CACHE_DIR=str(file / "nowhere")).splitlines()[
        0
    ]
    assert "processes=0" in said


def test_operations_of_the_user_are_compiled_here() -> None:
    fk.elementwise(name="mine")(lambda x: x + 1)
    try:
        done = fk.warmup("mine", dtypes=["float64"])
        assert (done.processes, done.failed) == (0, {})
        assert fk.mine.forms().kernels
    finally:
        fk.OPS.remove("mine")


def test_senseless_arguments_are_refused_before_anything_starts() -> None:
    with pytest.raises(fk.UnknownOperationError, match="softmax"):
        fk.warmup("sofmax")
    with pytest.raises(fk.DtypeError, match="int8"):
        fk.warmup("softmax", dtypes=["int8"])
    with pytest.raises(fk.KernelError, match="processes"):
        fk.warmup("softmax", processes=0)
