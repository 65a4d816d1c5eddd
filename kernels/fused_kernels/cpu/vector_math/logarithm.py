"""log, log2, log10 and log1p.

x = m * 2**e with m between sqrt(1/2) and sqrt(2), f = m - 1, s = f / (2 + f), and log(1 + f) = 2 * atanh(s) arranged as
in FreeBSD's e_log.c, so that f itself, which is exact, carries the most. The polynomials are Chebyshev fits made
with mpmath at 50 digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.cpu.compile import inline
from fused_kernels.cpu.intrinsics import fma, polynomial, power_of_two, split_exponent

from .exponential import LN2, rounding_to_power
from .function import Formula, compiled

_ATANH = {
    np.float32: (0.29579949378967285, 0.3998878002166748, 0.6666668653488159),
    np.float64: (
        0.13086626147840102,
        0.13268773138656886,
        0.15386239702814658,
        0.18181795640132906,
        0.22222222391713917,
        0.28571428570803614,
        0.4000000000000088,
        0.6666666666666666,
    ),
}
"""(2 * atanh(s) - 2 * s) / s**3 in s**2."""

# log(2), 1 / log(base), each as a number of the dtype and the rest
_BASES = {
    2: ((1.0, 0.0), (1.4426950408889634, 2.0355273740931033e-17)),
    10: ((0.30102999566398120, -2.8037281277851704e-18), (0.4342944819032518, 1.098319650216765e-17)),
}


def split_positive(dtype: Any) -> Formula:
    """Make a function that takes x > 0 apart into e and f, denormal numbers too."""
    information = np.finfo(dtype)
    tiny, bits, one, zero = information.tiny, dtype(information.nmant + 1), dtype(1), dtype(0)
    up = dtype(2.0 ** (information.nmant + 1))

    def split(x: Any) -> Any:
        power, mantissa = split_exponent(x * up if x < tiny else x)
        return power - (bits if x < tiny else zero), mantissa - one

    return inline(split)


def _parts(dtype: Any) -> Formula:
    """Make a function of f: f**2 / 2 and s * (f**2 / 2 + R); log(1 + f) is f minus the first plus the second."""
    half, two, series = dtype(0.5), dtype(2), tuple(dtype(value) for value in _ATANH[dtype])

    def parts(f: Any) -> Any:
        s = f / (two + f)
        square = s * s
        half_square = half * f * f
        return half_square, s * fma(polynomial(square, series), square, half_square)

    return inline(parts)


def _finish(dtype: Any) -> Formula:
    """Make a function that puts right what is not between 0 and inf."""
    zero, infinity, nan = dtype(0), dtype(np.inf), dtype(np.nan)

    def finish(x: Any, result: Any) -> Any:
        below = -infinity if x == zero else nan
        positive = result if x > zero else below
        return x if x == infinity else positive

    return inline(finish)


def _log(dtype: Any) -> Formula:
    ln2, rest = (dtype(value) for value in LN2[dtype])
    split, parts, finish = split_positive(dtype), _parts(dtype), _finish(dtype)

    def log(x: Any) -> Any:
        power, f = split(x)
        half_square, more = parts(f)
        return finish(x, fma(power, ln2, f - (half_square - fma(power, rest, more))))

    return log


@compiled(_log)
def log(x: Any) -> Any:
    """Return the natural logarithm, within 0.85 ulp: -inf at 0, NaN below it."""


def _log1p(dtype: Any) -> Formula:
    ln2, rest = (dtype(value) for value in LN2[dtype])
    one, zero = dtype(1), dtype(0)
    parts, finish, rounder = _parts(dtype), _finish(dtype), rounding_to_power(dtype)

    def log1p(x: Any) -> Any:
        y = one + x
        shifted = y - one
        lost = (x - shifted) + (one - (y - shifted))
        power, mantissa = split_exponent(y)
        f = fma(lost, power_of_two(rounder - power), mantissa - one)
        half_square, more = parts(f)
        result = finish(y, fma(power, ln2, f - (half_square - fma(power, rest, more))))
        # x may be so small that y is 1, or -0.
        return x if x == zero else result

    return log1p


@compiled(_log1p)
def log1p(x: Any) -> Any:
    """Return ``log(1 + x)``, within 1.4 ulp, near 0 too: -inf at -1, NaN below it; -0 stays -0."""


def _log_to(dtype: Any, base: int) -> Formula:
    (two_hi, two_lo), (scale_hi, scale_lo) = (_pair(dtype, *pair) for pair in _BASES[base])
    split, parts, finish = split_positive(dtype), _parts(dtype), _finish(dtype)

    def log_to_base(x: Any) -> Any:
        power, f = split(x)
        half_square, more = parts(f)
        # log(1 + f) as the sum of two, so that multiplying costs one rounding only
        high = f - half_square
        low = ((f - high) - half_square) + more
        small = fma(low, scale_hi, fma(high, scale_lo, power * two_lo))
        return finish(x, fma(power, two_hi, fma(high, scale_hi, small)))

    return log_to_base


def _pair(dtype: Any, value: float, rest: float) -> tuple[Any, Any]:
    high = dtype(value)
    return high, dtype(value - float(high) + rest)


@compiled(lambda dtype: _log_to(dtype, 2))
def log2(x: Any) -> Any:
    """Return the logarithm to base 2, within 0.9 ulp, exact for powers of 2: -inf at 0, NaN below it."""


@compiled(lambda dtype: _log_to(dtype, 10))
def log10(x: Any) -> Any:
    """Return the logarithm to base 10, within 0.9 ulp: -inf at 0, NaN below it."""
