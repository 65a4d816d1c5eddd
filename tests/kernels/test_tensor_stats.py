"""Statistics and a histogram in one pass: exact counts whatever the order of the values, accurate moments."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fused_kernels as fk

DTYPES = ("float32", "float64")


def assert_right(x: np.ndarray, bins: int = 64) -> None:
    """Compare each statistic with what long double and NumPy's own histogram say."""
    stats = fk.tensor_stats(x, bins=bins)
    finite = x[np.isfinite(x)].astype(np.float64)
    assert (stats.count, stats.finite) == (x.size, finite.size)
    assert (stats.nan, stats.inf, stats.zeros) == (np.isnan(x).sum(), np.isinf(x).sum(), (x == 0).sum())
    if not finite.size:
        assert all(math.isnan(value) for value in (stats.min, stats.max, stats.mean, stats.std, stats.absmax))
        assert stats.counts.shape == stats.edges.shape == (0,)
        return
    assert (stats.min, stats.max, stats.absmax) == (finite.min(), finite.max(), np.abs(finite).max())
    wide = finite.astype(np.longdouble)
    digits = 1e-6 if x.dtype.itemsize <= 4 and x.dtype.kind == "f" else 1e-13
    np.testing.assert_allclose(stats.mean, wide.mean(), rtol=digits, atol=float(digits * wide.std()))
    spacing = float(np.spacing(np.abs(finite).max()))
    np.testing.assert_allclose(stats.std, wide.std(), rtol=100 * digits, atol=spacing)
    if bins:
        assert stats.counts.dtype == np.int64
        assert stats.counts.size <= bins
        assert stats.edges.size == stats.counts.size + 1
        assert stats.counts[0] > 0
        assert stats.counts[-1] > 0
        np.testing.assert_array_equal(stats.counts, np.histogram(finite, stats.edges)[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bins", [0, 2, 3, 17, 64, 65, 1000])
def test_sizes_around_groups_and_tiles(dtype: str, bins: int) -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 63, 64, 65, 511, 4095, 4096, 4097, 70_001):
        for offset, scale in ((0, 1), (-3, 1e-3), (1e4, 1), (0, 1e30), (0, 1e-30), (5, 0)):
            x = (rng.standard_normal(size + 1) * scale + offset).astype(dtype)[1:]
            assert_right(x, bins)
            x[rng.integers(0, size, 3)] = [np.nan, -np.inf, 0]
            assert_right(x, bins)


FLOATS = {
    "float32": st.floats(width=32),
    "float64": st.floats(),
}


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=150, deadline=None)
@given(data=st.data(), bins=st.sampled_from([2, 3, 8, 64, 100]))
def test_any_values_are_counted_as_numpy_counts_them(dtype: str, data: st.DataObject, bins: int) -> None:
    x = data.draw(hnp.arrays(dtype, hnp.array_shapes(max_dims=2, max_side=90), elements=FLOATS[dtype]))
    stats = fk.tensor_stats(x, bins=bins)
    finite = x[np.isfinite(x)].astype(np.float64)
    assert stats.counts.sum() == finite.size
    assert (stats.zeros, stats.nan, stats.inf) == ((x == 0).sum(), np.isnan(x).sum(), np.isinf(x).sum())
    if finite.size:
        assert (stats.min, stats.max) == (finite.min(), finite.max())
        assert stats.min <= stats.mean <= stats.max
        assert 0 <= stats.std <= stats.max / 2 - stats.min / 2 + stats.absmax * 1e-12 or stats.std < 1e-300
        np.testing.assert_array_equal(stats.counts, np.histogram(finite, stats.edges)[0])


@given(
    low=st.floats(allow_nan=False, allow_infinity=False),
    high=st.floats(allow_nan=False, allow_infinity=False),
    bins=st.integers(2, 300),
)
@example(low=-1.7e308, high=1.7e308, bins=2)
@example(low=0.0, high=5e-324, bins=64)
@example(low=-1e-223, high=7e100, bins=2)
@example(low=1.0, high=1.0 + 2**-52, bins=64)
@settings(max_examples=200, deadline=None)
def test_the_grid_is_the_narrowest_of_powers_of_two(low: float, high: float, bins: int) -> None:
    low, high = min(low, high), max(low, high)
    edges = fk.tensor_stats([low, high], bins=bins).edges
    assert edges[0] <= low
    assert high < edges[-1] or edges[-1] == np.finfo(float).max
    assert 2 <= edges.size <= bins + 1
    if np.abs(edges).max() > 1e300 or low == high:
        return
    width = edges[1] - edges[0]
    assert math.frexp(width)[0] == 0.5
    np.testing.assert_array_equal(np.diff(edges), np.full(edges.size - 1, width))
    np.testing.assert_array_equal(np.remainder(edges, width), np.zeros(edges.size))
    # In fractions, since a quotient can underflow to 0.
    half = Fraction(width) / 2
    narrower = math.floor(Fraction(high) / half) - math.floor(Fraction(low) / half) + 1
    at_the_limit = width <= 2 * max(2.0**-1022, float(np.spacing(max(abs(low), abs(high)))) * 2)
    assert narrower > bins or at_the_limit


def test_round_edges() -> None:
    stats = fk.tensor_stats(np.array([0.1, 0.6, 0.9]), bins=4)
    np.testing.assert_array_equal(stats.edges, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_array_equal(stats.counts, [1, 0, 1, 1])
    np.testing.assert_array_equal(fk.tensor_stats(np.arange(64)).counts, np.ones(64))
    for value, edges in ((3.0, [2, 4]), (-3.0, [-4, -2]), (0.0, [0, 1]), (0.25, [0.25, 0.5])):
        np.testing.assert_array_equal(fk.tensor_stats(np.full(10_000, value)).edges, edges)


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_whose_range_grows_as_they_come(dtype: str) -> None:
    """Every tile lies outside of the grid that the last one left."""
    for values in (np.linspace(0, 1, 300_000), -np.geomspace(1e-20, 1e20, 300_000), np.arange(300_000) % 70_000 - 9e4):
        assert_right(values.astype(dtype))
        assert_right(values[::-1].astype(dtype), 100)


def test_one_far_value_at_the_end() -> None:
    x = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    x[-1] = 3e38
    assert_right(x)
    assert fk.tensor_stats(x).counts.sum() == x.size


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_large_mean_with_a_small_spread(dtype: str) -> None:
    rng = np.random.default_rng(0)
    offset = {"float32": 1e5, "float64": 1e12}[dtype]
    x = (offset + rng.standard_normal(1_000_000)).astype(dtype)
    wide = x.astype(np.longdouble)
    stats = fk.tensor_stats(x)
    np.testing.assert_allclose(stats.std, wide.std(), rtol=1e-6)
    np.testing.assert_allclose(stats.mean, wide.mean(), rtol=1e-15, atol=1e-7 * (dtype == "float32"))
    x[0] = 0  # so that the first tile knows nothing of what comes
    np.testing.assert_allclose(fk.tensor_stats(x).std, x.astype(np.longdouble).std(), rtol=1e-6)


def test_squares_that_leave_the_range_of_the_dtype() -> None:
    rng = np.random.default_rng(0)
    for dtype, scale in (("float32", 1e37), ("float32", 1e-37), ("float64", 1e300), ("float64", 1e-300)):
        x = (scale * rng.standard_normal(10_000)).astype(dtype)
        stats, wide = fk.tensor_stats(x), x.astype(np.longdouble)
        np.testing.assert_allclose([stats.mean, stats.std], [wide.mean(), wide.std()], rtol=1e-6)
    same = fk.tensor_stats(np.full(10_000, 1e300))
    assert (same.mean, same.std) == (1e300, 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiny_negative_numbers_beside_large_ones_stay_negative(dtype: str) -> None:
    """Divided by the width of a bin they would round to zero, whose bin is another."""
    tiny = -np.finfo(dtype).smallest_subnormal
    x = np.full(1000, tiny, dtype)
    x[:2] = 1e6, -1e6
    stats = fk.tensor_stats(x)
    assert stats.counts[np.searchsorted(stats.edges, 0) - 1] == 998
    assert stats.zeros == 0


@pytest.mark.parametrize("bins", [0, 64, 500])
def test_threads_change_no_count(use_threads: Callable[[int], None], bins: int) -> None:
    x = np.random.default_rng(0).standard_normal((700, 1501)).astype(np.float32)
    x[3, 5], x[699, 1500], x[350, 7] = np.nan, 40, np.inf
    results = []
    for count in (1, 2, 3, 7):
        use_threads(count)
        assert fk.explain("tensor_stats", x, bins=bins).form == ("serial" if count == 1 else "parallel")
        results.append(fk.tensor_stats(x, bins=bins))
    first = dataclasses.asdict(results[0])
    for result in results[1:]:
        for name, value in dataclasses.asdict(result).items():
            tolerance = 1e-7 if name in ("mean", "std") else 0
            np.testing.assert_allclose(value, first[name], 0, tolerance, err_msg=name)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int16", "uint32", "int64", "float16", ml_dtypes.bfloat16, ">f4", ">i8"]
)
def test_other_dtypes_are_read_in_pieces(dtype: object) -> None:
    x = (40 * np.random.default_rng(0).standard_normal((300, 501))).astype(dtype)
    told = fk.explain("tensor_stats", x)
    assert any("elements at a time" in note for note in told.notes)
    assert not any("copied" in note for note in told.notes)
    computed = x.astype(np.float32 if np.dtype(dtype).kind in "fV" else np.float64)
    mine, its = (dataclasses.asdict(fk.tensor_stats(each)) for each in (x, computed))
    for name, value in mine.items():
        np.testing.assert_allclose(value, its[name], 0, 1e-6 if name in ("mean", "std") else 0, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_strided_arrays_are_not_copied(dtype: str) -> None:
    x = np.random.default_rng(0).standard_normal((60, 40, 1300)).astype(dtype)
    for view in (x[:, :, :-3], x[::2, 0], x[..., ::3], x.T, x.swapaxes(0, 1), x[::-1]):
        assert not any("copied" in note for note in fk.explain("tensor_stats", view).notes)
        assert_right(view)


def test_an_array_that_cannot_be_written_to_is_read_where_it_lies() -> None:
    x = np.random.default_rng(0).standard_normal((40, 1300))
    locked = np.frombuffer(x.tobytes()).reshape(x.shape)
    assert not any("at a time" in note or "copied" in note for note in fk.explain("tensor_stats", locked).notes)
    assert repr(fk.tensor_stats(locked)) == repr(fk.tensor_stats(x))


def test_nothing_and_nothing_finite() -> None:
    for values in ([], np.zeros((0, 3)), [np.nan], [np.nan, np.inf, -np.inf] * 2000):
        assert_right(np.asarray(values))


def test_a_record_that_cannot_be_changed_with_a_short_repr() -> None:
    stats = fk.tensor_stats(np.array([0.0, 1.0, 1.5, np.nan]), bins=4)
    assert repr(stats).splitlines()[0] == "4 values: 1 zeros, 1 NaN, 0 infinite"
    assert "4 bins from 0 to 2" in repr(stats)
    assert repr(fk.tensor_stats([])) == "0 values: 0 zeros, 0 NaN, 0 infinite"
    with pytest.raises(dataclasses.FrozenInstanceError):
        stats.count = 3


@pytest.mark.parametrize(
    ("bins", "error", "message"),
    [
        (1, fk.KernelError, "One bin cannot hold"),
        (-1, fk.KernelError, "is -1"),
        (1 << 17, fk.KernelError, "from 2 to 65536"),
        (2.0, fk.DtypeError, "must be one integer"),
        ("4", fk.DtypeError, "must be one integer"),
    ],
)
def test_bins_that_make_no_sense(bins: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fk.tensor_stats(np.ones(3), bins=bins)


def test_the_torch_peer_counts_nearly_the_same() -> None:
    torch = pytest.importorskip("torch")
    x = torch.randn(1000, 100, generator=torch.Generator().manual_seed(0))
    mine, its = fk.tensor_stats(x), fk.OPS["tensor_stats"].peers["torch"]()(x)
    np.testing.assert_array_equal(mine.edges, its.edges)
    assert np.abs(mine.counts - its.counts).sum() < 10
    np.testing.assert_allclose([mine.mean, mine.std], [its.mean, its.std], rtol=1e-4)
