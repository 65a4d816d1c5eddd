"""tensor_stats on the card: the same values as on the CPU, whatever the shape, the layout and the values."""

from __future__ import annotations

import dataclasses
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import fused_kernels as fk
from fused_kernels.cuda.launch import Card as Gpu

from .cases import DTYPES, kind, variants

EXACT = ("count", "min", "max", "absmax", "zeros", "nan", "inf")
CLOSE = {"float64": 1e-12}


def assert_alike(found, expected, dtype: str) -> None:
    """Compare with the CPU's: all but the last digits of sums are the same."""
    for name in EXACT:
        np.testing.assert_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_array_equal(found.edges, expected.edges)
    close = CLOSE.get(dtype, 1e-6)
    near = 0.0 if math.isnan(expected.std) else close * expected.std
    np.testing.assert_allclose(found.mean, expected.mean, rtol=close, atol=near)
    np.testing.assert_allclose(found.std, expected.std, rtol=close, atol=1e-300)


def values(n: int, dtype: str, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n).astype(kind(dtype))


@pytest.mark.parametrize("bins", (0, 2, 64, 1000, 1500))
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_of_any_number_are_counted_and_measured(card, on_card, dtype: str, bins: int) -> None:
    for place, n in enumerate((1, 2, 7, 31, 33, 257, 4099, 30_001) if bins == 64 else (5, 9001)):
        card.order = place
        x = values(n, dtype, place)
        assert_alike(fk.tensor_stats(on_card(x, offset=place % 3), bins=bins), fk.tensor_stats(x, bins=bins), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_kernel_runs(card, on_card, dtype: str) -> None:
    for bins in (64, 5000):
        fk.tensor_stats(on_card(values(20_000, dtype)), bins=bins)
        assert fk.explain("tensor_stats", on_card(values(9, dtype)), bins=bins).form == (
            "blocks" if bins == 64 else "read twice"
        )
    assert {launch.kernel for launch in card.started} == set(variants("tensor_stats", dtype))
    assert max(launch.grid for launch in card.started) > 1


@pytest.mark.parametrize("dtype", ("float32", "float64"))
def test_what_is_not_finite_is_counted_apart(card, on_card, dtype: str) -> None:
    x = values(9000, dtype)
    x[::7], x[3::11], x[5::13], x[1::17] = np.nan, np.inf, -np.inf, 0
    for part in (x, x[::-1].copy(), np.full(40, np.nan, x.dtype), np.full(40, -np.inf, x.dtype), x[:1], x[1:2]):
        assert_alike(fk.tensor_stats(on_card(part)), fk.tensor_stats(part), dtype)
    assert_alike(fk.tensor_stats(on_card(x[:0])), fk.tensor_stats(x[:0]), dtype)


@pytest.mark.parametrize("dtype", ("float32", "float64"))
def test_ranges_that_grow_and_values_at_the_ends_of_a_dtype(card, on_card, dtype: str) -> None:
    rising = np.geomspace(1e-30, 1e30, 20_000).astype(dtype)
    large, small = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
    for x in (
        rising,
        rising[::-1].copy(),
        -rising,
        np.concatenate([rising, -rising]),
        np.array([large, -large, 1], dtype),
        np.array([small, -small, 0, -0.0], dtype),
        np.full(5000, 3.5, dtype),
        np.zeros(5000, dtype),
        np.array([1e6, *np.zeros(5000)], dtype) + values(5001, dtype),
        (1e4 + values(9000, dtype)).astype(dtype),
        (values(9000, dtype) * np.finfo(dtype).tiny * 1e3).astype(dtype),
        (values(9000, dtype) * (large / 100)).astype(dtype),
    ):
        for bins in (64, 3):
            assert_alike(fk.tensor_stats(on_card(x), bins=bins), fk.tensor_stats(x, bins=bins), dtype)


@hypothesis.settings(
    max_examples=40, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(
    x=st.lists(st.floats(width=32), min_size=1, max_size=60).map(lambda items: np.array(items, np.float32)),
    bins=st.sampled_from((0, 2, 5, 64)),
    order=st.integers(0, 9),
)
def test_any_values_give_what_they_do_on_the_cpu(card, on_card, x: np.ndarray, bins: int, order: int) -> None:
    card.order = order
    found, expected = fk.tensor_stats(on_card(x), bins=bins), fk.tensor_stats(x, bins=bins)
    # Of a few values that cancel, no digit of the mean may be right; the scale of the values is what counts.
    scale = 1e-6 * expected.absmax if expected.finite else 0.0
    for name in ("mean", "std"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6, atol=scale, err_msg=name)
    assert_alike(dataclasses.replace(found, mean=expected.mean, std=expected.std), expected, "float32")


def test_layouts_whose_values_lie_together_are_read_in_place_and_others_are_copied(card, on_card) -> None:
    x = values(3 * 5 * 2000, "float32").reshape(3, 5, 2000)
    for view, copied in (
        (lambda a: a.transpose(2, 0, 1), False),
        (lambda a: a[:, 2], False),
        (lambda a: a[1:, :, :], False),
        (lambda a: a[..., ::2], True),
        (lambda a: a[:, ::2, :7], True),
    ):
        assert_alike(fk.tensor_stats(view(on_card(x))), fk.tensor_stats(np.ascontiguousarray(view(x))), "float32")
        notes = fk.explain("tensor_stats", view(on_card(x))).notes
        assert any("copied" in note for note in notes) == copied
    integers = np.arange(-500, 9000, dtype=np.int32)
    assert_alike(fk.tensor_stats(on_card(integers)), fk.tensor_stats(integers), "float64")


def test_a_larger_gpu_has_more_blocks_and_the_same_answer(card, on_card) -> None:
    x = values(70_000, "float32")
    expected = fk.tensor_stats(x)
    card.gpu = Gpu(7, 1536)
    assert_alike(fk.tensor_stats(on_card(x)), expected, "float32")
    assert card.started[0].grid == 14
    with pytest.raises(fk.KernelError, match="bins must be 0 or from 2"):
        fk.tensor_stats(on_card(x), bins=1)
