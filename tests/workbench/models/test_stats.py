"""Statistics of tensors against NumPy, for every dtype, layout and special value."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from workbench.arrays import numpy_dtype
from workbench.errors import InputError, LoadError
from workbench.models.stats import Scan, scanned_stats, tensor_stats

RANDOM = np.random.default_rng(1)


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.float64, np.int8, np.uint64, np.dtype(">i4"), np.dtype(">f8")]
)
@pytest.mark.parametrize("size", [1, 7, 65536, 900_001])
def test_agrees_with_numpy(dtype: np.dtype, size: int) -> None:
    array = (RANDOM.standard_normal(size) * 20 + 50).astype(dtype)
    stats, values = tensor_stats(array), array.astype(np.float64)
    assert (stats.count, stats.minimum, stats.maximum) == (size, values.min(), values.max())
    digits = 6 if array.dtype.itemsize < 4 or array.dtype == np.float32 else 12
    np.testing.assert_allclose([stats.mean, stats.std], [values.mean(), values.std()], 10.0**-digits, 1e-12)
    assert stats.zeros == (array == 0).sum()
    assert list(stats.histogram) == np.histogram(values, bins=stats.edges)[0].tolist()
    assert stats.edges[0] <= values.min() <= values.max() < stats.edges[-1]
    (width,) = set(np.diff(stats.edges))
    assert math.frexp(width)[0] == 0.5
    assert len(stats.histogram) <= 64


@settings(deadline=None)  # the first call loads the compiler
@given(npst.arrays(np.float32, npst.array_shapes(max_dims=3, min_side=0), elements=st.floats(width=32)))
def test_special_values_are_counted_and_the_rest_described(array: np.ndarray) -> None:
    stats = tensor_stats(array)
    finite = array[np.isfinite(array)].astype(np.float64)
    assert (stats.nans, stats.infs) == (np.isnan(array).sum(), np.isinf(array).sum())
    assert sum(stats.histogram) == stats.finite == finite.size
    if finite.size:
        assert (stats.minimum, stats.maximum, stats.absmax) == (finite.min(), finite.max(), np.abs(finite).max())
        assert stats.minimum <= stats.mean <= stats.maximum or np.isclose(stats.mean, stats.maximum)
        assert len(stats.edges) == len(stats.histogram) + 1 <= 65
        assert list(stats.edges) == sorted(stats.edges)
    else:
        assert np.isnan(stats.mean)
        assert not stats.histogram


@pytest.mark.parametrize(
    "dtype",
    [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4, ml_dtypes.float4_e2m1fn, bool],
)
def test_small_dtypes_keep_their_values(dtype: type) -> None:
    array = np.array([[0, 1, 1], [0, 1, 0]]).astype(dtype)
    stats = tensor_stats(array)
    assert (stats.minimum, stats.maximum, stats.mean, stats.zeros) == (0, 1, 0.5, 3)


def test_integers_are_exact_beyond_float64() -> None:
    assert tensor_stats(np.array([2**63, 2**64 - 1], np.uint64)).maximum == 2**64 - 1
    assert tensor_stats(np.array([-(2**63)])).absmax == 2**63


@pytest.mark.parametrize("scale", [1e308, 5e-324, 1e-200])
def test_squares_beyond_the_range_of_float64_do_not_spoil_the_spread(scale: float) -> None:
    stats = tensor_stats(np.array([scale, -scale]))
    assert abs(stats.mean) <= 1e-12 * scale
    assert stats.std == pytest.approx(scale, rel=1e-12)


def test_one_far_value_does_not_cost_the_precision_of_the_rest() -> None:
    array = RANDOM.standard_normal(300_000) + 1e8
    np.testing.assert_allclose(tensor_stats(array).std, array.std(), rtol=1e-9)


def test_layout_does_not_matter() -> None:
    array = RANDOM.standard_normal((50, 40, 30)).astype(np.float32)
    for view in (array[::2, ::-3], array.T, np.asfortranarray(array), np.broadcast_to(array[0, 0], (9, 30))):
        stats, whole = tensor_stats(view), tensor_stats(np.ascontiguousarray(view))
        assert (stats.minimum, stats.maximum, stats.histogram) == (whole.minimum, whole.maximum, whole.histogram)
        assert abs(stats.mean - whole.mean) < 1e-7


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "int64", "complex64"])
def test_parts_that_are_read_one_by_one_give_the_same(dtype: str, in_order: bool) -> None:
    array = (RANDOM.standard_normal(9_000_001) * 10).astype(numpy_dtype(dtype))
    asked, cut = [], 4096 * 7

    @contextmanager
    def scan() -> Iterator[Scan]:
        def read(first: int, last: int) -> Iterator[np.ndarray]:
            asked.append(first)
            yield from (array[at : min(at + cut, last)] for at in range(first, last, cut))

        yield read

    assert scanned_stats(scan, array.size, dtype, in_order=in_order) == tensor_stats(array)
    assert len(asked) > 2
    assert not in_order or asked == sorted(asked)


def test_an_error_amid_the_reading_is_given_back_and_ends_all_threads() -> None:
    asked: list[int] = []

    def read(first: int, last: int) -> list[np.ndarray]:
        asked.append(first)
        if len(asked) == 3:
            raise LoadError("gone")
        return [np.zeros(last - first, np.float32)]

    with pytest.raises(LoadError, match="gone"):
        scanned_stats(lambda: nullcontext(read), 1 << 30, "float32")
    assert len(asked) < 100


@pytest.mark.skipif(sys.platform == "win32", reason="signals go to a thread")
def test_an_interrupt_ends_the_reading() -> None:
    asked: list[int] = []
    main = threading.main_thread().ident
    assert main is not None

    def read(first: int, last: int) -> list[np.ndarray]:
        asked.append(first)
        if len(asked) == 3:
            signal.pthread_kill(main, signal.SIGINT)  # Ctrl-C
        time.sleep(0.001)
        return [np.zeros(8, np.float32)]

    with pytest.raises(KeyboardInterrupt):
        scanned_stats(lambda: nullcontext(read), 1 << 36, "float32")
    assert len(asked) < 10_000  # of 32,768 pieces


def test_complex_numbers_are_described_by_their_magnitudes() -> None:
    stats = tensor_stats(np.array([3 + 4j, 0], np.complex64))
    assert stats.magnitudes
    assert (stats.maximum, stats.zeros) == (5, 1)


def test_strings_have_none() -> None:
    with pytest.raises(InputError, match="no statistics"):
        tensor_stats(np.array(["a"], dtype=object))


def test_the_text_is_short_and_the_same_each_time() -> None:
    text = repr(tensor_stats(np.array([0.0, np.nan, 2.0, np.inf])))
    assert text.splitlines() == [
        "4 values",
        "  minimum 0, maximum 2",
        "  mean 1, standard deviation 1, greatest magnitude 2",
        "  zeros 1, NaN 1, infinite 1",
    ]
    assert "minimum" not in repr(tensor_stats(np.array([])))
