"""exp and its relatives.

The range reduction is Cody and Waite's: x = n * ln(2) + r, in two steps with fused multiply-add. Polynomials are
Chebyshev fits made with mpmath at 50 digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

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

# Below the first the result rounds to 0, above the second it is inf.
_RANGE = {np.float32: (-104.5, 89.0), np.float64: (-746.0, 710.0)}
# From here down 2**n has the exponent of 0.
_VANISHES = {np.float32: -88.0, np.float64: -709.4}


def _exp(dtype: Any) -> Formula:
    low, high = (dtype(value) for value in _RANGE[dtype])
    series = tuple(dtype(value) for value in _SERIES[dtype])
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


def _exp_nonpositive(dtype: Any) -> Formula:
    low, series = dtype(_VANISHES[dtype]), tuple(dtype(value) for value in _SERIES[dtype])
    per_ln2, minus_ln2, minus_rest = dtype(1 / np.log(2)), dtype(-LN2[dtype][0]), dtype(-LN2[dtype][1])
    rounder = dtype(rounding_to_power(dtype))

    def exp_nonpositive(x: Any) -> Any:
        bounded = low if low > x else x
        shifted = fma(bounded, per_ln2, rounder)
        power = shifted - rounder
        rest = fma(power, minus_rest, fma(power, minus_ln2, bounded))
        return polynomial(rest, series) * power_of_two(shifted)

    return exp_nonpositive


@compiled(_exp_nonpositive)
def exp_nonpositive(x: Any) -> Any:
    """Return ``e**x`` for x <= 0 at two thirds of the time of `exp`: what softmax takes once the largest is subtracted.

    Within 0.95 ulp while the result is a normal number, so above -87.3 (float32) or -708.3 (float64). The next 0.3
    below give denormal numbers, anything less, -inf included, exactly 0. NaN stays NaN. Positive arguments are right
    up to 88 or 709 and wrong beyond.
    """


def rounding_to_power(dtype: Any) -> float:
    """Return what, added to x, leaves 2**round(x) for `power_of_two` to find in the last bits of the sum."""
    information = np.finfo(dtype)
    return float(1.5 * 2.0**information.nmant + information.maxexp - 1)
