"""x**y for floats: 2 to the power y * log2(x), with the logarithm to more digits than the result has."""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.cpu.compile import inline
from fused_kernels.cpu.intrinsics import (
    copysign,
    fma,
    polynomial,
    power_of_two,
    round_even,
    scale_by_power_of_two,
    split_exponent,
)

from .exponential import exp2_series, rounding_to_power
from .function import Formula, compiled
from .logarithm import split_positive

_D = np.float64
_ZERO, _ONE, _TWO, _INF, _NAN = _D(0), _D(1), _D(2), _D(np.inf), _D(np.nan)
_LOG2_E, _LOG2_E_REST = _D(1.4426950408889634), _D(2.0355273740931033e-17)
_TWO_THIRDS, _TWO_THIRDS_REST = _D(0.6666666666666666), _D(3.700743415417188e-17)

_SINGLE = tuple(
    map(_D, (0.19362653714202008, 0.22191400830308503, 0.2857175453591449, 0.3999999879733759, 0.6666666666737509))
)
"""(2 * atanh(s) - 2 * s) / s**3 in s**2."""

_SINGLE_2 = tuple(
    map(
        _D,
        (
            0.0001545316294512069,
            0.0013390863364671234,
            0.009618082557277852,
            0.05550357114219078,
            0.24022650760568126,
            0.6931471880262288,
            1.0,
        ),
    )
)
"""2**r for abs(r) <= 1/2."""

_DOUBLE = tuple(
    map(
        _D,
        (
            0.11723051070855396,
            0.11706248536204528,
            0.13334804238433556,
            0.15384594970890778,
            0.1818181833531446,
            0.22222222221656232,
            0.28571428571429364,
            0.4,
        ),
    )
)
"""((2 * atanh(s) - 2 * s) / s**3 - 2 / 3) / s**2 in s**2."""


def _power(dtype: Any) -> Formula:
    magnitude, zero, half, one, infinity, nan = (
        _magnitude(dtype),
        *(dtype(value) for value in (0, 0.5, 1, np.inf, np.nan)),
    )

    def power(x: Any, y: Any) -> Any:
        size = abs(x)
        result = magnitude(size, y)
        whole = np.floor(y) == y
        odd = whole & (np.floor(y * half) != y * half)
        result = copysign(result, x) if odd else result
        result = nan if (x < zero) & (size < infinity) & (not whole) else result
        result = x + y if np.isnan(x) | np.isnan(y) else result
        is_one = (x == one) | (y == zero) | ((size == one) & (abs(y) == infinity))
        return one if is_one else result

    return power


@compiled(_power)
def power(x: Any, y: Any) -> Any:
    """Return ``x**y`` with the special cases of C's pow: 1**NaN is 1, a negative x with a fraction is NaN.

    Within 0.6 ulp (float32, computed in float64) or 1.0 (float64, with the logarithm as a sum of two numbers).
    """


def _magnitude(dtype: Any) -> Formula:
    """Make a function of x >= 0 and y; a NaN in either gives anything."""
    return inline(_single()) if dtype is np.float32 else inline(_double())


def _single() -> Formula:
    # Beyond, the result is 0 or inf in float32.
    low, high, rounder = _D(-160), _D(130), rounding_to_power(_D)

    def single(x: Any, y: Any) -> Any:
        power, mantissa = split_exponent(_D(x))
        f = mantissa - _ONE
        s = f / (_TWO + f)
        square = s * s
        log2 = fma(_LOG2_E, s * fma(square, polynomial(square, _SINGLE), _TWO), power)
        log2 = -_INF if x == _ZERO else log2
        log2 = _INF if x == _INF else log2
        exponent = _D(y) * log2
        exponent = low if low > exponent else exponent
        exponent = high if high < exponent else exponent
        shifted = exponent + rounder
        # In float64 the power is never denormal, so the conversion is what rounds, to denormal numbers and inf too.
        value = polynomial(exponent - (shifted - rounder), _SINGLE_2) * power_of_two(shifted)
        return np.float32(value)

    return single


def _double() -> Formula:
    low, high, limit = _D(-1080), _D(1026), _D(1100)
    split, series = split_positive(_D), exp2_series(_D)

    def double(x: Any, y: Any) -> Any:
        # Every name with _rest is what its namesake lost in rounding.
        power, f = split(x)
        below = _TWO + f
        inverse = _ONE / below
        s = f * inverse
        s_rest = (fma(-s, below, f) - s * (f - (below - _TWO))) * inverse
        square = s * s
        square_rest = fma(s, s, -square) + _TWO * s * s_rest
        more = square * polynomial(square, _DOUBLE)
        factor = _TWO_THIRDS + more
        factor_rest = ((_TWO_THIRDS - factor) + more) + _TWO_THIRDS_REST
        cube = s * square
        cube_rest = fma(s, square, -cube) + (s * square_rest + s_rest * square)
        term = cube * factor
        term_rest = fma(cube, factor, -term) + (cube * factor_rest + cube_rest * factor)
        log = _TWO * s + term
        log_rest = ((_TWO * s - log) + term) + (term_rest + _TWO * s_rest)
        scaled = log * _LOG2_E
        scaled_rest = fma(log, _LOG2_E, -scaled) + (log * _LOG2_E_REST + log_rest * _LOG2_E)
        log2 = power + scaled
        log2_rest = ((power - log2) + scaled) + scaled_rest
        log2 = -_INF if x == _ZERO else log2
        log2 = _INF if x == _INF else log2
        exponent = y * log2
        exponent_rest = fma(y, log2, -exponent) + y * log2_rest
        exponent_rest = exponent_rest if abs(exponent) < limit else _ZERO
        exponent = low if low > exponent else exponent
        exponent = high if high < exponent else exponent
        whole = round_even(exponent)
        return scale_by_power_of_two(polynomial((exponent - whole) + exponent_rest, series), whole)

    return double
