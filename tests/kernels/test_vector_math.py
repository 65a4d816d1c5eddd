"""The elementary functions against long double and mpmath: how exact, and at the ends of the range."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from fused_kernels.cpu import vector_math
from fused_kernels.cpu.compile import inline, kernel

DTYPES = [np.float32, np.float64]
WIDE = np.longdouble


def logistic(x: Any) -> Any:
    return np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x)))


def by_mpmath(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def wide(x: Any) -> Any:
        with mpmath.workdps(40):
            values = [function(mpmath.mpf(float(value))) for value in x]
            return np.array([WIDE(float(v)) + WIDE(float(v - mpmath.mpf(float(v)))) for v in values])

    return wide


# The truth, the interval in which float32 and float64 are tried beside numbers of all sizes, and the ulp allowed.
FUNCTIONS: dict[str, tuple[Any, tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "exp": (np.exp, (-110, 92), (-750, 712), (0.95, 0.95)),
    "exp2": (np.exp2, (-155, 130), (-1080, 1026), (0.95, 0.95)),
    "expm1": (np.expm1, (-30, 90), (-50, 711), (1.35, 1.35)),
    "log": (np.log, (0, 5), (0, 5), (0.9, 0.9)),
    "log2": (np.log2, (0, 5), (0, 5), (0.95, 0.95)),
    "log10": (np.log10, (0, 5), (0, 5), (0.95, 0.95)),
    "log1p": (np.log1p, (-1, 4), (-1, 4), (1.45, 1.45)),
    "tanh": (np.tanh, (-11, 11), (-22, 22), (2.2, 2.3)),
    "sinh": (np.sinh, (-91, 91), (-712, 712), (1.5, 1.5)),
    "cosh": (np.cosh, (-91, 91), (-712, 712), (1.4, 1.4)),
    "sin": (np.sin, (-50, 50), (-50, 50), (1.0, 1.0)),
    "cos": (np.cos, (-50, 50), (-50, 50), (1.0, 1.0)),
    "sigmoid": (logistic, (-106, 30), (-748, 50), (1.2, 1.1)),
    "erf": (by_mpmath(mpmath.erf), (-5, 5), (-6.5, 6.5), (1.0, 1.1)),
    "erfc": (by_mpmath(mpmath.erfc), (-6, 11), (-7, 28), (4.0, 6.0)),
    "normal_cdf": (by_mpmath(mpmath.ncdf), (-15, 7), (-39, 9), (3.5, 5.5)),
}
BY_MPMATH = ("erf", "erfc", "normal_cdf")


def loop(name: str) -> Any:
    """Compile the loop that calls the function of one argument."""
    function = getattr(vector_math, name)

    @inline
    def call(x: Any) -> Any:
        return function(x)

    def run(x: Any, out: Any) -> None:
        for i in range(x.size):
            out[i] = call(x[i])

    return kernel(f"test.vector_math.{name}")(run)


def loop_of_two(name: str) -> Any:
    function = getattr(vector_math, name)

    @inline
    def call(x: Any, y: Any) -> Any:
        return function(x, y)

    def run(x: Any, y: Any, out: Any) -> None:
        for i in range(x.size):
            out[i] = call(x[i], y[i])

    return kernel(f"test.vector_math.{name}")(run)


ONE = {name: loop(name) for name in (*FUNCTIONS, "exp_nonpositive", "fast_exp", "fast_normal_cdf")}
TWO = {"power": loop_of_two("power")}


def apply(name: str, *arguments: Any) -> Any:
    out = np.empty_like(arguments[0])
    (ONE.get(name) or TWO[name])(*arguments, out)
    return out


def arguments(low: float, high: float, dtype: Any, count: int) -> Any:
    """Make numbers of the interval, near 0 and 1, and of every size down to the smallest denormal one."""
    rng, limits = np.random.default_rng(0), np.finfo(dtype)
    exponents = rng.uniform(limits.minexp - limits.nmant, limits.maxexp - 1, count)
    parts = (
        np.linspace(low, high, count),
        rng.standard_normal(count),
        1 + np.arange(-count // 2, count // 2) * (50 * float(limits.eps)),
        rng.choice([-1, 1], count) * 2.0**exponents,
    )
    return np.concatenate(parts).astype(dtype)


def ulp_off(result: Any, truth: Any, dtype: Any) -> float:
    """Return by how many units in the last place the worst result is off; inf and NaN must be where they belong."""
    with np.errstate(all="ignore"):
        rounded = truth.astype(dtype)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(rounded))
    np.testing.assert_array_equal(np.isinf(result), np.isinf(rounded))
    finite = np.isfinite(rounded)
    unit = np.spacing(np.maximum(np.abs(rounded[finite]), np.finfo(dtype).smallest_subnormal))
    return float(np.max(np.abs(result[finite] - truth[finite]) / unit))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_how_exact(name: str, dtype: Any) -> None:
    truth, *intervals, allowed = FUNCTIONS[name]
    which = DTYPES.index(dtype)
    x = arguments(*intervals[which], dtype, 1_000 if name in BY_MPMATH else 100_000)
    if name in BY_MPMATH:
        x = x[abs(x) < 60]
    with np.errstate(all="ignore"):
        expected = truth(x.astype(WIDE))
    assert ulp_off(apply(name, x), expected, dtype) < allowed[which]


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_nonpositive_is_exact_and_ends_in_0(dtype: Any) -> None:
    low = -87.3 if dtype is np.float32 else -708.3
    x = np.concatenate([np.linspace(low, 0, 100_001), -np.random.default_rng(0).exponential(size=10_000)]).astype(dtype)
    assert ulp_off(apply("exp_nonpositive", x), np.exp(x.astype(WIDE)), dtype) < 0.95
    x = np.array([-np.inf, np.finfo(dtype).min, low - 1, np.nan, 0, -0.0], dtype)
    np.testing.assert_array_equal(apply("exp_nonpositive", x), [0, 0, 0, np.nan, 1, 1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_fast_exp_is_near_and_saturates(dtype: Any) -> None:
    low, high = (-87.3, 88.0) if dtype is np.float32 else (-708.3, 709.0)
    x = np.linspace(low, high, 200_001).astype(dtype)
    assert ulp_off(apply("fast_exp", x), np.exp(x.astype(WIDE)), dtype) < 5
    near = x[abs(x) < 1]
    assert ulp_off(apply("fast_exp", near), np.exp(near.astype(WIDE)), dtype) < 1
    x = np.array([-np.inf, np.finfo(dtype).min, np.nan, 0, np.finfo(dtype).max, np.inf], dtype)
    np.testing.assert_array_equal(apply("fast_exp", x), [0, 0, np.nan, 1, np.inf, np.inf])


def test_fast_normal_cdf_has_a_small_absolute_error() -> None:
    x = np.linspace(-8, 8, 100_001).astype(np.float32)
    truth = np.array([math.erfc(-value / math.sqrt(2)) / 2 for value in x.astype(float)])
    assert np.max(np.abs(apply("fast_normal_cdf", x) - truth)) < 2e-7
    x = np.array([-np.inf, -1e30, np.nan, 0, 1e30, np.inf], np.float32)
    np.testing.assert_array_equal(apply("fast_normal_cdf", x), [0, 0, np.nan, 0.5, 1, 1])


SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0]
AT_SPECIAL = {
    "sigmoid": [np.nan, 1, 0, 0.5, 0.5, None, None],
    "erf": [np.nan, 1, -1, 0.0, -0.0, None, None],
    "erfc": [np.nan, 0, 2, 1, 1, None, None],
    "normal_cdf": [np.nan, 1, 0, 0.5, 0.5, None, None],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(name: str, dtype: Any) -> None:
    x = np.array(SPECIAL, dtype)
    result = apply(name, x)
    if name in AT_SPECIAL:
        expected = np.array([np.nan if value is None else value for value in AT_SPECIAL[name]], dtype)
        known = np.array([value is not None for value in AT_SPECIAL[name]])
    else:
        with np.errstate(all="ignore"):
            expected, known = getattr(np, name)(x), np.ones(x.size, bool)
    np.testing.assert_allclose(result[known], expected[known], rtol=4 * np.finfo(dtype).eps)
    signed = known & ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(result[signed]), np.signbit(expected[signed]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_power_is_exact(dtype: Any) -> None:
    rng, limits, count = np.random.default_rng(0), np.finfo(dtype), 50_000
    x = np.concatenate(
        [
            rng.uniform(0, 4, count),
            2.0 ** rng.uniform(limits.minexp - limits.nmant, limits.maxexp - 1, count),
            1 + rng.standard_normal(count) * 1e-3,
            -rng.uniform(0, 5, count),
        ]
    ).astype(dtype)
    y = np.concatenate(
        [
            rng.uniform(-30, 30, count),
            rng.uniform(-2, 2, count),
            rng.uniform(-5e4, 5e4, count),
            rng.integers(-40, 40, count),
        ]
    ).astype(dtype)
    with np.errstate(all="ignore"):
        truth = np.power(x.astype(WIDE), y.astype(WIDE))
    assert ulp_off(apply("power", x, y), truth, dtype) < (0.6 if dtype is np.float32 else 1.0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_special_cases_of_power_are_those_of_numpy(dtype: Any) -> None:
    whole = float(2 ** (np.finfo(dtype).nmant + 1))
    values = [
        *SPECIAL,
        0.5,
        -0.5,
        2,
        -2,
        3,
        -3,
        whole,
        whole - 1,
        1e30,
        -1e30,
        float(np.finfo(dtype).smallest_subnormal),
    ]
    x, y = (side.ravel() for side in np.meshgrid(np.array(values, dtype), np.array(values, dtype)))
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    result = apply("power", x, y)
    np.testing.assert_allclose(result, expected, rtol=4 * np.finfo(dtype).eps)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(result[numbers]), np.signbit(expected[numbers]))


def test_powers_of_2_and_logarithms_of_powers_are_exact() -> None:
    x = np.arange(-1074.0, 1024.0)
    np.testing.assert_array_equal(apply("exp2", x), np.exp2(x))
    np.testing.assert_array_equal(apply("log2", np.exp2(x)), x)
    np.testing.assert_array_equal(apply("log10", 10.0 ** np.arange(23)), np.arange(23.0))


@kernel("test.vector_math.mixed")
def mixed(x: Any, n: Any, out: Any) -> None:
    for i in range(out.size):
        out[i] = vector_math.power(x[i], n[i]) + vector_math.exp(n[i])


def test_integers_become_floats() -> None:
    n, x = np.arange(-2, 3), np.full(5, 1.5, np.float32)
    out = np.empty(5)
    mixed(x, n, out)
    np.testing.assert_allclose(out, 1.5**n + np.exp(n), rtol=1e-6)


def test_from_python_the_error_says_where_to_go() -> None:
    with pytest.raises(TypeError, match=r"vector_math\.log1p is compiled into kernels; from Python call .* NumPy"):
        vector_math.log1p(1.0)
