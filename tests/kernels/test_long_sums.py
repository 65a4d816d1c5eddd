"""Sums of millions of float32: no error that grows with the length."""

from __future__ import annotations

import numpy as np
import pytest

import fused_kernels as fk

N = 1_000_000


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_along_a_million_elements(axis: int) -> None:
    op = fk.OPS["softmax"]
    x = np.random.default_rng(0).standard_normal((N, 2) if axis == 0 else (2, N)).astype(np.float32)
    tolerance = op.tolerance["float32"]
    np.testing.assert_allclose(fk.softmax(x, axis), op.truth(x=x, axis=axis), tolerance.rtol, tolerance.atol)


def test_layer_norm_of_a_million_elements_far_from_zero() -> None:
    op = fk.OPS["layer_norm"]
    x = (np.random.default_rng(0).standard_normal((2, N)) + 10).astype(np.float32)
    tolerance = op.tolerance["float32"]
    np.testing.assert_allclose(fk.layer_norm(x), op.truth(x=x), tolerance.rtol, tolerance.atol / 3)
