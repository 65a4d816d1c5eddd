"""exp and its relatives, and the parts of which other functions make theirs.

The range reduction is Cody and Waite's: x = n * ln(2) + r, in two steps with fused multiply-add. Polynomials are
Chebyshev fits made with mpmath at 50 digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.cpu.compile import inline
from fused_kernels.cpu.intrinsics import fma, polynomial, power_of_two, round_even, scale_by_power_of_two

from .function import Formula, compiled

LN2 = {np.float32: (0.693359375, -2.12194440e-4), np.float64: (6.93147180369123816490e-01, 1.90821492927058770002e-10)}
"""ln(2) as a number of few bits, whose product with a small integer is exact, and the rest."""

_SERIES = {
    np.float32: (0.0013926213466332444, 0.008363202971575855, 0.04166655443768594, 0.16666576845993977, 0.5, 1.0, 1.0),
    np.float64: (
        2.5100424157005067e-08,
        2.7620138719733994e-07,
        2.7557268378684192e-06,
        2.480152119021773e-05,
        0.00019841269863105968,
        0.0013888888917281794,
        0.008333333333330051,
        0.04166666666662399,
        0.16666666666666669,
        0.5000000000000001,
        1.0,
        1.0,
    ),
}
"""exp(r) for abs(r) <= ln(2) / 2, the highest power first."""

_SERIES_2 = {
    np.float32: (
        0.00015453163359779865,
        0.0013390863314270973,
        0.009618083015084267,
        0.055503569543361664,
        0.24022650718688965,
        0.6931471824645996,
        1.0,
    ),
    np.float64: (
        4.4549605981865186e-10,
        7.072585949269223e-09,
        1.0178062445845774e-07,
        1.321544258792169e-06,
        1.525273382983612e-05,
        0.0001540353044173605,
        0.0013333558146416936,
        0.009618129107606888,
        0.0555041086648216,
        0.24022650695910097,
        0.6931471805599453,
        1.0,
    ),
}
"""2**r for abs(r) <= 1/2."""

_EXPM1 = {
    np.float32: (
        0.001452549360692501,
        0.008356690406799316,
        0.04166150838136673,
        0.16666604578495026,
        0.5000000596046448,
    ),
    np.float64: (
        2.636378813897074e-08,
        2.758727334865093e-07,
        2.755473441681514e-06,
        2.4801577435510803e-05,
        0.0001984127159193226,
        0.0013888888887715115,
        0.008333333332883561,
        0.04166666666667227,
        0.16666666666666985,
        0.5,
    ),
}
"""(exp(r) - 1 - r) / r**2 for r from log(3 / 4) to log(3 / 2)."""

# Below the first the result rounds to 0, above the second it is inf.
_RANGE = {np.float32: (-104.5, 89.0), np.float64: (-746.0, 710.0)}
_RANGE_2 = {np.float32: (-151.0, 129.0), np.float64: (-1076.0, 1025.0)}
# The exponent of 2**n reaches 0 at the first, and that of inf at the second.
_FAST_RANGE = {np.float32: (-88.0, 88.75), np.float64: (-709.4, 709.8)}
# From here down 2**n has the exponent of 0.
_VANISHES = {np.float32: -88.0, np.float64: -709.4}
# Below the first the result rounds to -1; below the second, in absolute value, to x.
_EXPM1_RANGE = {np.float32: (-20.0, 1e-8), np.float64: (-40.0, 1e-17)}


def exp_series(dtype: Any) -> tuple[Any, ...]:
    """Return the coefficients of exp(r) for abs(r) <= ln(2) / 2, the highest power first; the last two are 1."""
    return tuple(dtype(value) for value in _SERIES[dtype])


def exp2_series(dtype: Any) -> tuple[Any, ...]:
    """Return the coefficients of 2**r for abs(r) <= 1/2."""
    return tuple(dtype(value) for value in _SERIES_2[dtype])


def rounding_to_power(dtype: Any, offset: int = 0) -> Any:
    """Return what, added to x, leaves ``2**(round(x) + offset)`` for `power_of_two` in the last bits of the sum."""
    information = np.finfo(dtype)
    return dtype(1.5 * 2.0**information.nmant + information.maxexp - 1 + offset)


def exp_reduction(dtype: Any) -> Formula:
    """Make a function of x and what `rounding_to_power` gives: r and 2**(n + offset), where x = n * ln(2) + r.

    n + offset must lie in the range of normal exponents, or one below it, which gives 0.
    """
    per_ln2, minus_ln2, minus_rest = dtype(1 / np.log(2)), dtype(-LN2[dtype][0]), dtype(-LN2[dtype][1])

    def reduce(x: Any, rounder: Any) -> Any:
        shifted = fma(x, per_ln2, rounder)
        power = shifted - rounder
        return fma(power, minus_rest, fma(power, minus_ln2, x)), power_of_two(shifted)

    return inline(reduce)


def _exp(dtype: Any) -> Formula:
    low, high = (dtype(value) for value in _RANGE[dtype])
    series = exp_series(dtype)
    per_ln2, minus_ln2, minus_rest = dtype(1 / np.log(2)), dtype(-LN2[dtype][0]), dtype(-LN2[dtype][1])

    def exp(x: Any) -> Any:
        # Written so that a NaN fails both comparisons and passes through.
        bounded = low if low > x else x
        bounded = high if high < bounded else bounded
        power = round_even(bounded * per_ln2)
        rest = fma(power, minus_rest, fma(power, minus_ln2, bounded))
        return scale_by_power_of_two(polynomial(rest, series), power)

    return exp


@compiled(_exp)
def exp(x: Any) -> Any:
    """Return ``e**x``, within 0.95 ulp, denormal results included."""


def _fast_exp(dtype: Any) -> Formula:
    low, high = (dtype(value) for value in _FAST_RANGE[dtype])
    series, rounder, reduce = exp_series(dtype), rounding_to_power(dtype), exp_reduction(dtype)
    per_ln2, minus_ln2 = dtype(1 / np.log(2)), dtype(-np.log(2))

    def in_one_step(x: Any, rounder: Any) -> Any:
        shifted = fma(x, per_ln2, rounder)
        return fma(shifted - rounder, minus_ln2, x), power_of_two(shifted)

    reduced = inline(in_one_step) if dtype is np.float32 else reduce

    def fast_exp(x: Any) -> Any:
        bounded = low if low > x else x
        rest, scale = reduced(high if high < bounded else bounded, rounder)
        return polynomial(rest, series) * scale

    return fast_exp


@compiled(_fast_exp)
def fast_exp(x: Any) -> Any:
    """Return ``e**x`` for what adds 1 to it, such as sigmoids: in three quarters of the time of `exp`.

    Within 5 ulp (float32, 1 for abs(x) < 1) or 1 (float64); above 88.7 or 709.7 inf, below -88 or -709.4 exactly 0.
    """


def _exp_nonpositive(dtype: Any) -> Formula:
    low, series, rounder, reduce = (
        dtype(_VANISHES[dtype]),
        exp_series(dtype),
        rounding_to_power(dtype),
        exp_reduction(dtype),
    )

    def exp_nonpositive(x: Any) -> Any:
        rest, scale = reduce(low if low > x else x, rounder)
        return polynomial(rest, series) * scale

    return exp_nonpositive


@compiled(_exp_nonpositive)
def exp_nonpositive(x: Any) -> Any:
    """Return ``e**x`` for x <= 0 at two thirds of the time of `exp`: what softmax takes once the largest is subtracted.

    Within 0.95 ulp while the result is a normal number, so above -87.3 (float32) or -708.3 (float64). The next 0.3
    below give denormal numbers, anything less, -inf included, exactly 0. NaN stays NaN. Positive arguments are right
    up to 88 or 709 and wrong beyond.
    """


def _exp2(dtype: Any) -> Formula:
    low, high = (dtype(value) for value in _RANGE_2[dtype])
    series = exp2_series(dtype)

    def exp2(x: Any) -> Any:
        bounded = low if low > x else x
        bounded = high if high < bounded else bounded
        power = round_even(bounded)
        return scale_by_power_of_two(polynomial(bounded - power, series), power)

    return exp2


@compiled(_exp2)
def exp2(x: Any) -> Any:
    """Return ``2**x``, within 0.9 ulp, denormal results included; exact for integers."""


def expm1_reduction(dtype: Any) -> Formula:
    """Make a function of x and what `rounding_to_power` gives: w and 2**(n + offset), where exp(x) = (1 + w) * 2**n.

    1 + w is from 3/4 to 3/2: with 1 in the middle, 2**n - 1 would cancel more of w.
    """
    series, minus_lean = tuple(dtype(value) for value in _EXPM1[dtype]), dtype(0.5 - np.log2(1.5))
    per_ln2, minus_ln2, minus_rest = dtype(1 / np.log(2)), dtype(-LN2[dtype][0]), dtype(-LN2[dtype][1])

    def reduce(x: Any, rounder: Any) -> Any:
        shifted = fma(x, per_ln2, minus_lean) + rounder
        power = shifted - rounder
        rest = fma(power, minus_rest, fma(power, minus_ln2, x))
        return fma(polynomial(rest, series) * rest, rest, rest), power_of_two(shifted)

    return inline(reduce)


def _expm1(dtype: Any) -> Formula:
    high, half, (low, tiny) = dtype(_RANGE[dtype][1]), dtype(0.5), (dtype(value) for value in _EXPM1_RANGE[dtype])
    reduce, rounder = expm1_reduction(dtype), rounding_to_power(dtype, -1)

    def expm1(x: Any) -> Any:
        bounded = low if low > x else x
        bounded = high if high < bounded else bounded
        # Half of the result, since 2**n may overflow: (1 + w) * 2**n / 2 - 1 / 2.
        w, scale = reduce(bounded, rounder)
        result = fma(w, scale, scale - half)
        # Halving would cost a denormal number its last bit, and -0 its sign.
        return x if abs(x) < tiny else result + result

    return expm1


@compiled(_expm1)
def expm1(x: Any) -> Any:
    """Return ``e**x - 1``, within 1.3 ulp, near 0 too; -0 stays -0."""
