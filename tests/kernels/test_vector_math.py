"""exp against long double, in ulp, over its whole range, with and without AVX-512."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fused_kernels.cpu import vector_math
from fused_kernels.cpu.compile import kernel


@kernel("test.exp")
def apply_exp(x, out):
    for i in range(x.size):
        out[i] = vector_math.exp(x[i])


def worst_ulp(dtype: type, low: float, high: float) -> float:
    rng = np.random.default_rng(0)
    x = np.concatenate([np.linspace(low, high, 200_001), rng.standard_normal(100_000)]).astype(dtype)
    result = np.empty_like(x)
    apply_exp(x, result)
    with np.errstate(over="ignore", under="ignore"):
        truth = np.exp(x.astype(np.longdouble))
        rounded = truth.astype(dtype)
    np.testing.assert_array_equal(np.isinf(result), np.isinf(rounded))
    finite = np.isfinite(rounded)
    off = np.abs(result[finite] - truth[finite]) / np.spacing(
        np.maximum(rounded[finite], np.finfo(dtype).smallest_subnormal)
    )
    return float(off.max())


@pytest.mark.parametrize(("dtype", "low", "high"), [(np.float32, -110, 92), (np.float64, -750, 712)])
def test_exp_is_within_an_ulp_or_so_denormals_included(dtype: type, low: float, high: float) -> None:
    assert worst_ulp(dtype, low, high) < 0.95


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values(dtype: type) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, np.finfo(dtype).max, np.finfo(dtype).min], dtype)
    result = np.empty_like(x)
    apply_exp(x, result)
    np.testing.assert_array_equal(result, [np.nan, np.inf, 0, 1, 1, np.inf, 0])


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="haswell is an x86-64 processor")
def test_without_avx512_it_is_as_exact_and_still_vectorised(tmp_path: object) -> None:
    code = (
        "import numpy as np, sys; sys.path.insert(0, sys.argv[1]); import test_vector_math as t\n"
        "assert t.worst_ulp(np.float32, -110, 92) < 0.95 and t.worst_ulp(np.float64, -750, 712) < 0.95\n"
        "assembly = next(iter(t.apply_exp.inspect_asm().values()))\n"
        "assert 'zmm' not in assembly and 'ldexp' not in assembly, 'not for this processor'\n"
        "assert '%ymm' in assembly, 'not vectorised'\n"
    )
    # The name alone would leave this machine's features on.
    target = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}
    environment = {**os.environ, **target, "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent)], check=True, env=environment, timeout=120)
