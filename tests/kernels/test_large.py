"""Arrays of 3 GiB, and of more elements than 32 bits can count: `make test-large`, with about 20 GiB of free memory.

Inputs are zeros that the system has not yet given pages to, with values set where counters would overflow.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import psutil
import pytest

import fused_kernels as fk
from fused_kernels.memory import POOL

pytestmark = [
    pytest.mark.large,
    pytest.mark.skipif(psutil.virtual_memory().available < 18 << 30, reason="needs 18 GiB of free memory"),
]
MANY = 2**31 + 1000
"""Elements; 8 GiB in float32."""
PLACES = [0, 1, 2**30, 2**31 - 1, 2**31, 2**31 + 1, MANY - 1]


@pytest.fixture(autouse=True)
def free_memory() -> Iterator[None]:
    yield
    POOL.clear()


def zeros_but(*shape: int) -> np.ndarray:
    """Zeros of float32 with 1, 2, 3, ... at `PLACES`."""
    x = np.zeros(shape, "f4")
    x.reshape(-1)[PLACES] = np.arange(1, len(PLACES) + 1)
    return x


def count_nonzero(x: np.ndarray) -> int:
    # By blocks: NumPy would make a mask of a quarter of the size.
    flat = x.reshape(-1)
    return sum(int(np.count_nonzero(flat[first : first + 2**26])) for first in range(0, flat.size, 2**26))


@pytest.mark.parametrize("in_place", [True, False])
def test_elements_beyond_two_to_the_31st(in_place: bool) -> None:
    x = zeros_but(MANY)
    result = fk.scale(x, 3.0, out=x if in_place else None)
    np.testing.assert_array_equal(result[PLACES], 3 * np.arange(1, len(PLACES) + 1))
    assert count_nonzero(result) == len(PLACES)


@pytest.mark.parametrize("name", ["softmax", "layer_norm"])
def test_rows_beyond_two_to_the_31st_in_place(name: str) -> None:
    columns = 2**16
    x = np.zeros((MANY // columns + 1, columns), "f4")
    chosen = [0, 1, 2**15 - 1, 2**15, len(x) - 1]
    x[chosen] = np.random.default_rng(0).standard_normal((len(chosen), columns))
    expected = fk.OPS[name].reference(x[chosen].astype("f8"))
    result = fk.OPS[name].function(x, out=x)
    assert result is x
    np.testing.assert_allclose(result[chosen], expected, rtol=1e-4, atol=1e-6)
    others = np.ones(len(x), bool)
    others[chosen] = False
    same = 1 / columns if name == "softmax" else 0
    for first in range(0, len(x), 1024):
        block = result[first : first + 1024][others[first : first + 1024]]
        assert (block == same).all()


def test_a_row_longer_than_two_to_the_31st() -> None:
    x = np.full(MANY, -200, "f4")
    x[PLACES] = 0
    result = fk.softmax(x, out=x)
    np.testing.assert_allclose(result[PLACES], 1 / len(PLACES), rtol=1e-5)
    assert count_nonzero(result) == len(PLACES)


def test_columns_beyond_two_to_the_31st() -> None:
    x = zeros_but(2, MANY // 2)
    result = fk.softmax(x, axis=0)
    exponentials = np.exp(x.reshape(-1)[PLACES].astype("f8"))
    np.testing.assert_allclose(result.reshape(-1)[PLACES], exponentials / (exponentials + 1), rtol=1e-5)
    assert all(block.sum() == block.size / 2 for block in (result[0, 2:1000], result[1, 2:1000]))


def test_a_product_of_more_elements() -> None:
    x, weight, bias = np.ones((2**16 + 1, 16), "f4"), np.zeros((16, 2**15), "f4"), np.zeros(2**15, "f4")
    weight[:, -1], bias[-1] = 2, 1
    result = fk.linear(x, weight, bias)
    assert result.size > 2**31
    np.testing.assert_array_equal(result[:, -1], 33)
    assert count_nonzero(result) == len(x)


def test_a_product_with_more_elements() -> None:
    x = np.zeros((2**21 + 8, 1024), "f4")
    x[[0, 2**20, -1], -1] = [1, 2, 3]
    result = fk.linear(x, np.ones((1024, 8), "f4"))
    np.testing.assert_array_equal(result[[0, 2**20, -1]], np.repeat([[1], [2], [3]], 8, axis=1))
    assert count_nonzero(result) == 24


def test_sum_of_squares_of_more_elements() -> None:
    assert fk.sum_of_squares(zeros_but(MANY)) == sum(k**2 for k in range(1, len(PLACES) + 1))


def test_rows_that_lie_further_apart_than_two_gibibytes() -> None:
    x = np.zeros((5, 2**30), "f4")[::2, :1000]
    x[...] = np.arange(1000)
    np.testing.assert_allclose(fk.softmax(x), fk.OPS["softmax"].reference(x.astype("f8")), rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["scale", "softmax", "layer_norm"])
def test_three_gibibytes(name: str, dtype: str) -> None:
    more = (2.0,) if name == "scale" else ()
    x = np.zeros((3 * 2**30 // (4096 * np.dtype(dtype).itemsize), 4096), dtype)
    chosen = [0, len(x) // 2, -1]
    x[chosen] = np.random.default_rng(0).standard_normal((3, 4096))
    result = fk.OPS[name].function(x, *more)
    np.testing.assert_allclose(result[chosen], fk.OPS[name].reference(x[chosen], *more), rtol=1e-4, atol=1e-6)
