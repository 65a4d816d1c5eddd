"""The same code on lesser processors: right there too, with AVX2, and without any vector unit beyond x86-64's own."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

RUN = """
import numpy as np, fused_kernels as fk
rng = np.random.default_rng(20)
for op in fk.OPS.values():
    for dtype in ("float32", "float64"):
        inputs = op.sample((7, 45, 23)[: len(op.dimensions)], np.dtype(dtype), rng)
        tolerance, found, truth = op.tolerance[dtype], op.function(**inputs), op.truth(**inputs)
        for mine, its in zip(*(one if isinstance(one, tuple) else (one,) for one in (found, truth))):
            if isinstance(mine, (np.ndarray, np.generic)):
                np.testing.assert_allclose(mine, its, rtol=tolerance.rtol, atol=tolerance.atol, err_msg=op.name)
print(len(fk.OPS))
"""
PROCESSORS = {"AVX2": ("haswell", "+avx2,+fma"), "SSE2": ("x86-64", "")}


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="compiles for x86-64")
@pytest.mark.parametrize("what", PROCESSORS)
def test_every_operation_is_right(fresh_process: Callable[..., str], tmp_path: Path, what: str) -> None:
    name, features = PROCESSORS[what]
    said = fresh_process(RUN, NUMBA_CPU_NAME=name, NUMBA_CPU_FEATURES=features, NUMBA_CACHE_DIR=str(tmp_path))
    assert int(said) >= 20
