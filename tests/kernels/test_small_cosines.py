"""Cosines of few rows go to machine code in one step, which takes what fits and refuses the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fused_kernels as fk
from fused_kernels.ops.cosine_similarity.small import attempt
from fused_kernels.trace import tracing

Array = np.ndarray[Any, Any]
rng = np.random.default_rng(23)
A, B = rng.standard_normal((5, 9)), rng.standard_normal((3, 9))


def slow(a: Any, b: Any = None, **options: Any) -> Array:
    """Return what the other path gives, which a trace makes a call take."""
    with tracing():
        result: Array = fk.cosine_similarity(a, b, **options)
    return result


TAKEN: dict[str, tuple[Array, Array | None]] = {
    "two matrices": (A, B),
    "one row each": (A[:1], B[:1]),
    "one column": (A[:, :1], B[:, :1]),
    "a matrix with itself": (A, None),
    "the same one twice": (A, A),
    "rows apart": (rng.standard_normal((4, 12))[:, 2:11], B),
    "rows backwards": (A[::-1], B[::-1]),
    "a row of zeros": (A * (np.arange(5) > 0)[:, None], B),
    "large and small": (A * 1e18, B * 1e-18),
    "as many as are taken": (rng.standard_normal((64, 16)), rng.standard_normal((64, 16))),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("what", TAKEN)
def test_what_fits_is_taken(what: str, dtype: str) -> None:
    a, b = (None if value is None else value.astype(dtype, order="K") for value in TAKEN[what])
    assert a is not None
    done, expected = attempt(a, b, None, 1e-8), slow(a, b)
    assert type(done) is np.ndarray
    assert done.dtype == a.dtype
    near = 8 * np.finfo(a.dtype).eps
    np.testing.assert_allclose(done, expected, rtol=near, atol=near)
    out = np.full_like(expected, np.nan)
    assert attempt(a, b, out, 1e-8) is out
    np.testing.assert_array_equal(out, done)
    if b is None:
        np.testing.assert_array_equal(done, done.T)


def test_rows_that_are_one_row_are_taken() -> None:
    same = np.broadcast_to(A[0], (6, 9))
    np.testing.assert_allclose(attempt(same, B, None, 1e-8), slow(same, B), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_row_without_numbers_has_no_cosine(value: float) -> None:
    a = A.copy()
    a[1, 2] = value
    done = attempt(a, B, None, 1e-8)
    np.testing.assert_array_equal(np.isnan(done), np.isnan(slow(a, B)))
    assert np.isnan(done[1]).all()
    assert np.isfinite(done[[0, 2, 3, 4]]).all()


def test_no_least_length_leaves_a_row_of_zeros_without_a_cosine() -> None:
    assert np.isnan(attempt(np.zeros((1, 4)), np.ones((1, 4)), None, 0.0)).all()
    assert attempt(np.zeros((1, 4)), np.ones((1, 4)), None, 1e-8) == 0


REFUSED: dict[str, tuple[Any, ...]] = {
    "a list": (A.tolist(), B),
    "a list beside": (A, B.tolist()),
    "two dtypes": (A, B.astype(np.float32)),
    "integers": (A.astype(int), B.astype(int)),
    "big-endian": (A.astype(">f8"), B),
    "columns apart": (rng.standard_normal((5, 18))[:, ::2], B),
    "one axis": (A[0], B),
    "three axes": (A[None], B),
    "rows of two sizes": (A[:, :8], B),
    "no rows": (A[:0], B),
    "no columns": (A[:, :0], B[:, :0]),
    "many rows": (rng.standard_normal((65, 2)), B[:, :2]),
    "many products": (rng.standard_normal((60, 40)), rng.standard_normal((60, 40))),
    "out of another shape": (A, B, np.empty((3, 5))),
    "out of another dtype": (A, B, np.empty((5, 3), np.float32)),
    "out is strided": (A, B, np.empty((5, 6))[:, ::2]),
    "out is an input": (B[:, :3], B[:, :3], B[:, :3]),
    "a text for eps": (A, B, None, "1e-8"),
    "an integer for eps": (A, B, None, 1),
    "a negative eps": (A, B, None, -1.0),
    "NaN for eps": (A, B, None, float("nan")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_rest_is_refused(what: str) -> None:
    a, b, out, eps = (*REFUSED[what], *(None, 1e-8)[len(REFUSED[what]) - 2 :])
    assert attempt(a, b, out, eps) is None


def test_a_result_that_overlaps_its_rows_is_right() -> None:
    room = rng.standard_normal((4, 4))
    expected = slow(room.copy(), room.copy())
    assert attempt(room, room, room, 1e-8) is None
    np.testing.assert_allclose(fk.cosine_similarity(room, room, out=room), expected, rtol=1e-12, atol=1e-15)
