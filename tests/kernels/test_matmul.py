"""matmul: NumPy's semantics in full, each way of computing it, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fused_kernels as fk

SHAPES = [
    ((3,), (3,)),
    ((4, 3), (3,)),
    ((3,), (3, 5)),
    ((2, 4, 3), (3,)),
    ((3,), (2, 3, 5)),
    ((2, 4, 3), (3, 5)),
    ((4, 3), (6, 3, 5)),
    ((7, 1, 4, 3), (6, 3, 5)),
    ((2, 2, 1, 4, 3), (3, 3, 2)),
    ((2, 0, 3), (2, 3, 4)),
    ((2, 3, 0), (2, 0, 4)),
    ((0, 3, 2), (1, 2, 5)),
    ((0,), (0,)),
    ((0,), (0, 3)),
]


def numbers(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def swapped(a: np.ndarray) -> np.ndarray:
    """Return the same values, the last two axes changed in memory."""
    return np.swapaxes(np.swapaxes(a, -1, -2).copy(), -1, -2) if a.ndim > 1 else a


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_shapes_types_and_values_are_those_of_numpy(left, right, dtype):
    a, b = numbers(*left, dtype=dtype), numbers(*right, dtype=dtype, seed=1)
    expected = np.matmul(a, b)
    for first, second in ((a, b), (swapped(a), swapped(b)), (a[..., ::-1].copy()[..., ::-1], b)):
        result = fk.matmul(first, second)
        assert type(result) is type(expected)
        assert result.dtype == expected.dtype
        assert result.shape == expected.shape
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    out = np.full(expected.shape, 7, dtype)
    assert fk.matmul(a, b, out=out) is out
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


@pytest.fixture
def own(monkeypatch):
    """No stack is so small that it is left to NumPy."""
    from fused_kernels.cpu.gemm import stack

    monkeypatch.setattr(stack, "_SMALL_WORK", 0)
    monkeypatch.setattr(stack, "_LITTLE_WORK", 0)


@pytest.mark.usefixtures("own")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_stack(data):
    m, k, n = (data.draw(st.integers(1, 40), label=label) for label in "mkn")
    full = data.draw(st.lists(st.integers(1, 4), max_size=3))
    stacks = []
    for _ in range(2):
        kept = [data.draw(st.sampled_from([size, 1])) for size in full]
        stacks.append(tuple(kept[data.draw(st.integers(0, len(kept))) :]))
    rng = np.random.default_rng(0)
    # Small integers: every order of the sums gives the same.
    a, b = (
        rng.integers(-4, 5, stack + sides).astype("f4") for stack, sides in zip(stacks, [(m, k), (k, n)], strict=True)
    )
    if data.draw(st.booleans()):
        a = swapped(a)
    if data.draw(st.booleans()):
        b = b[..., ::-1]
    np.testing.assert_array_equal(fk.matmul(a, b), np.matmul(a, b))


@pytest.mark.parametrize(
    ("left", "right", "form"),
    [
        ((8, 64), (64, 64), "direct"),
        ((90, 40), (40, 50), "direct"),
        ((700, 300), (300,), "blas"),
        ((300,), (300, 700), "blas"),
        ((40, 8, 8), (40, 8, 8), "blas"),
        ((20, 64, 64), (20, 64, 64), "stack-parallel"),
        ((20, 100, 64), (64, 64), "direct-parallel"),
        ((20, 10, 200), (200, 200), "packed-parallel"),
        ((3, 300, 300), (3, 300, 300), "one-by-one"),
        ((5, 1, 30), (5, 30, 40), "blas"),
    ],
)
def test_each_way_of_computing_runs_and_is_right(left, right, form, use_threads):
    use_threads(2)
    a, b = numbers(*left), numbers(*right, seed=1)
    assert fk.explain("matmul", a, b).form == form
    truth = np.matmul(a.astype(float), b.astype(float))
    np.testing.assert_allclose(fk.matmul(a, b), truth, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(fk.matmul(swapped(a), swapped(b)), truth, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stack_on_one_thread(dtype, use_threads):
    use_threads(1)
    a, b = numbers(3, 1, 70, 80, dtype=dtype), numbers(4, 80, 90, dtype=dtype, seed=1)
    assert fk.explain("matmul", a, b).form == "stack"
    np.testing.assert_allclose(fk.matmul(a, b), np.matmul(a, b), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [200, 229, 700])
def test_a_product_with_its_own_transpose_is_exactly_symmetric(size, dtype):
    a = numbers(size, 500, dtype=dtype)
    for side in (a, np.asfortranarray(a)):
        result = fk.matmul(side, side.T)
        np.testing.assert_array_equal(result, result.T)
        np.testing.assert_allclose(result, np.matmul(a.astype(float), a.T.astype(float)), rtol=1e-4, atol=1e-3)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("size", [4, 30, 150])
def test_out_may_overlap_an_input_of_a_stack(size):
    a, b = numbers(3, size, size), numbers(3, size, size, seed=1)
    expected = np.matmul(a, b)
    for name in "ab":
        pair = {"a": a.copy(), "b": b.copy()}
        fk.matmul(**pair, out=pair[name])
        np.testing.assert_allclose(pair[name], expected, rtol=1e-4, atol=1e-4)


def test_torch_layouts_are_shared():
    torch = pytest.importorskip("torch")
    a, b = torch.randn(5, 20, 30), torch.randn(5, 40, 30)
    torch.testing.assert_close(fk.matmul(a, b.mT), a @ b.mT)
    assert not any("copied" in note for note in fk.explain("matmul", a, b.mT).notes)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.ones((2, 3)), np.ones((4, 3))), ["(2, 3)", "(4, 3)", "b.T"]),
        ((np.ones((2, 3)), np.ones((2, 5))), ["a.T"]),
        ((np.ones((6, 2, 3)), np.ones((6, 4, 3))), ["b.mT"]),
        ((np.ones(3), np.ones(4)), ["3", "only one", "4"]),
        ((np.ones((2, 4, 3)), np.ones((5, 3, 4))), ["(2,)", "(5,)", "broadcast"]),
        ((np.float64(1), np.ones((3, 4))), ["scale"]),
    ],
)
def test_a_mismatch_names_the_shapes_and_the_mend(arguments, words):
    with pytest.raises(fk.ShapeError, match="matmul") as error:
        fk.matmul(*arguments)
    for word in words:
        assert word in str(error.value)


def test_peers_agree():
    pytest.importorskip("torch")
    import torch

    a, b = numbers(6, 20), numbers(20, 30, seed=1)
    out = torch.empty(6, 30)
    fk.OPS["matmul"].peers["torch"]()(torch.from_numpy(a), torch.from_numpy(b), out=out)
    np.testing.assert_allclose(out.numpy(), fk.matmul(a, b), rtol=1e-4, atol=1e-5)
