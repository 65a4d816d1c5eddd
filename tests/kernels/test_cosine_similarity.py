"""cosine_similarity: rows of any strides, rows of zeros, the symmetric case, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import fused_kernels as fk


def rows(m: int, k: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((m, k)).astype(dtype)


def truth(a: np.ndarray, b: np.ndarray, eps: float = 1e-8) -> np.ndarray:
    a, b = a.astype(np.longdouble), b.astype(np.longdouble)
    lengths = [np.maximum(np.sqrt((x * x).sum(1)), eps) for x in (a, b)]
    return (a @ b.T / np.outer(*lengths)).astype(float)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 70, 33), (33, 70, 1), (90, 384, 120), (230, 400, 250)])
def test_values(shape, dtype):
    m, k, n = shape
    a, b = rows(m, k, dtype), rows(n, k, dtype, 1)
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    for left, right in ((a, b), (np.asfortranarray(a), b), (a[::-1, ::-1], b[:, ::-1]), (a, np.asfortranarray(b))):
        np.testing.assert_allclose(fk.cosine_similarity(left, right), truth(left, right), rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m", [1, 30, 260])
def test_with_itself(m, dtype):
    a = rows(m, 400, dtype)
    result = fk.cosine_similarity(a)
    tolerance = 2e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(result, truth(a, a), rtol=0, atol=tolerance)
    np.testing.assert_array_equal(result, result.T)
    np.testing.assert_array_equal(fk.cosine_similarity(a, a), result)


def test_rows_of_zeros_are_like_nothing_and_with_no_eps_like_numpy():
    a = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(fk.cosine_similarity(a), [[1, 0], [0, 0]], rtol=1e-15)
    np.testing.assert_allclose(fk.cosine_similarity(a, eps=0), [[1, np.nan], [np.nan, np.nan]], rtol=1e-15)
    assert fk.cosine_similarity(np.empty((2, 0)), np.empty((3, 0))).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert fk.cosine_similarity(np.empty((0, 3)), np.empty((2, 3))).shape == (0, 2)


def test_eps_is_the_least_length():
    torch = pytest.importorskip("torch")
    a, b = np.array([[1e-3, 0.0], [2.0, 1.0]]), np.array([[5.0, 5.0]])
    expected = torch.nn.functional.cosine_similarity(torch.from_numpy(a)[:, None], torch.from_numpy(b)[None], -1, 0.5)
    np.testing.assert_allclose(fk.cosine_similarity(a, b, eps=0.5), expected.numpy(), rtol=1e-12)


def test_lengths_of_large_and_small_float32_are_right():
    a = np.array([[3e15, 4e15], [3e-15, 4e-15]], np.float32)
    np.testing.assert_allclose(
        fk.cosine_similarity(a, np.array([[1, 0]], np.float32), eps=0), [[0.6], [0.6]], rtol=1e-6
    )
    huge = np.full((1, 4), 1e30, np.float32)
    np.testing.assert_allclose(fk.cosine_similarity(huge, np.eye(4, dtype=np.float32)), [[0.5] * 4], rtol=1e-6)


def test_forms_and_that_nothing_is_copied():
    a, b = rows(1000, 384), rows(900, 384, seed=1)
    told = fk.explain("cosine_similarity", a, b)
    assert told.form.startswith("packed")
    assert not any("copied" in note for note in told.notes)
    vector = fk.explain("cosine_similarity", a, b[:1])
    assert vector.form == "blas"
    np.testing.assert_allclose(fk.cosine_similarity(a, b[:1]), truth(a, b[:1]), rtol=0, atol=1e-6)


def test_out_may_be_an_input():
    a = rows(60, 60)
    expected = fk.cosine_similarity(a, a[::-1])
    assert fk.cosine_similarity(a, a[::-1], out=a) is a
    np.testing.assert_array_equal(a, expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.ones(3),), ["a has 1 axes", "a[None]"]),
        ((np.ones((2, 3)), np.ones(3)), ["b has 1 axes", "b[None]"]),
        ((np.ones((2, 3)), np.ones((3, 2))), ["(2, 3)", "(3, 2)", "b.T"]),
        ((np.ones((2, 3, 4)),), ["a has 3 axes"]),
    ],
)
def test_a_mismatch_names_the_shapes(arguments, words):
    with pytest.raises(fk.ShapeError) as error:
        fk.cosine_similarity(*arguments)
    for word in words:
        assert word in str(error.value)


def test_an_eps_that_is_none():
    for eps in (-1.0, np.nan):
        with pytest.raises(fk.KernelError, match="eps"):
            fk.cosine_similarity(np.ones((2, 3)), eps=eps)
    with pytest.raises(fk.DtypeError, match="eps"):
        fk.cosine_similarity(np.ones((2, 3)), eps="small")
