"""mean_pool beyond the contract: masks of any dtype, any number of tokens, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import fused_kernels as fk

MEAN_POOL = fk.OPS["mean_pool"]


def matrix(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal(shape).astype("f4")


def assert_true(x: np.ndarray, mask: np.ndarray | None = None) -> None:
    """Hold a result to its float64 truth."""
    allowed = MEAN_POOL.tolerance["float32"]
    np.testing.assert_allclose(fk.mean_pool(x, mask), MEAN_POOL.truth(x=x, mask=mask), allowed.rtol, allowed.atol)


@pytest.mark.parametrize("dtype", ["int64", "int32", "bool", "uint8"])
def test_mean_pool_does_not_read_what_is_masked(dtype: str) -> None:
    x = matrix(5, 60, 700)
    mask = np.random.default_rng(3).integers(0, 2, (5, 60)).astype(dtype)
    mask[2] = 0
    x[mask == 0] = np.nan
    assert_true(x, mask)
    assert not fk.mean_pool(x, mask)[2].any()


@pytest.mark.parametrize("tokens", [1, 3, 5, 513, 100_000])
def test_mean_pool_of_any_number_of_tokens(tokens: int) -> None:
    x = 10 + matrix(tokens, 3)
    assert_true(x)
    assert_true(x[None], np.ones((1, tokens), int))


def test_mean_pool_of_no_tokens_is_zero() -> None:
    np.testing.assert_array_equal(fk.mean_pool(np.zeros((2, 0, 3))), np.zeros((2, 3)))


def test_masks_that_do_not_fit_are_explained() -> None:
    x = matrix(2, 4, 3)
    with pytest.raises(fk.ShapeError, match=r"mask needs shape \(2, 4\)"):
        fk.mean_pool(x, np.ones((2, 3), bool))
    with pytest.raises(fk.DtypeError, match="mask"):
        fk.mean_pool(x, np.ones((2, 4)))
    with pytest.raises(fk.ShapeError, match="batch, tokens, width"):
        fk.mean_pool(x[0, 0])
