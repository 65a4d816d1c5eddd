"""sigmoid, tanh, sinh and cosh, all from the parts of exp.

With x = n * ln(2) + r and w = exp(r) - 1, exp(x) is 2**n + w * 2**n, whose first term is exact. Polynomials are
Chebyshev fits made with mpmath at 50 digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.cpu.intrinsics import copysign, fma, polynomial

from .exponential import exp_reduction, exp_series, expm1_reduction, rounding_to_power
from .function import Formula, compiled

# Below the first the result rounds to 0, above the second to 1; the third is a power of 2 by which all is scaled, so
# that neither exp(104.5) nor exp(746) overflows.
_SIGMOID = {np.float32: (-104.5, 25.0, -24), np.float64: (-746.0, 45.0, -64)}


def _sigmoid(dtype: Any) -> Formula:
    low, high, offset = _SIGMOID[dtype]
    low, high, one, per_one = dtype(low), dtype(high), dtype(2.0**offset), dtype(2.0**-offset)
    series, reduce, rounder = exp_series(dtype)[:-1], exp_reduction(dtype), rounding_to_power(dtype, offset)

    def sigmoid(x: Any) -> Any:
        bounded = low if low > x else x
        bounded = high if high < bounded else bounded
        rest, scale = reduce(-bounded, rounder)
        # 1 + exp(-x) as the sum of two, of which the second has what the first loses
        total = scale + one
        lost = fma(polynomial(rest, series) * rest, scale, one - (total - scale))
        result = one / (total + lost)
        remainder = fma(-result, lost, fma(-result, total, one))
        return fma(result * per_one, remainder, result)

    return sigmoid


@compiled(_sigmoid)
def sigmoid(x: Any) -> Any:
    """Return ``1 / (1 + exp(-x))``, the logistic function, within 1.3 ulp, denormal results included."""


# From here down exp(x) is nothing beside 1.
_VANISHES = {np.float32: -20.0, np.float64: -40.0}


def _tanh(dtype: Any) -> Formula:
    low, one = dtype(_VANISHES[dtype]), dtype(1)
    reduce, rounder = expm1_reduction(dtype), rounding_to_power(dtype)

    def tanh(x: Any) -> Any:
        double = -(abs(x) + abs(x))
        # (1 - e) / (1 + e) with e = exp(-2 * abs(x)) = 2**n + w * 2**n, of which 1 - 2**n is exact.
        w, scale = reduce(low if low > double else double, rounder)
        return copysign(fma(-w, scale, one - scale) / fma(w, scale, one + scale), x)

    return tanh


@compiled(_tanh)
def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent, within 2.3 ulp, near 0 too; -0 stays -0."""


_SINH = {
    np.float32: (2.870730668291799e-06, 0.00019824999617412686, 0.008333406411111355, 0.1666666567325592),
    np.float64: (
        2.8863920642845674e-15,
        7.644412502401289e-13,
        1.6059096321645782e-10,
        2.5052107831257497e-08,
        2.755731922716205e-06,
        0.00019841269841260905,
        0.008333333333333344,
        0.16666666666666666,
    ),
}
"""(sinh(x) / x - 1) / x**2 in x**2 up to 1.5**2."""

# From here on the result is inf.
_OVERFLOWS = {np.float32: 89.5, np.float64: 710.5}


def _sinh(dtype: Any) -> Formula:
    high, border, sixteenth = dtype(_OVERFLOWS[dtype]), dtype(1.5), dtype(1 / 16)
    small_series = tuple(dtype(value) for value in _SINH[dtype])
    series, reduce, rounder = exp_series(dtype), exp_reduction(dtype), rounding_to_power(dtype, -2)

    def sinh(x: Any) -> Any:
        size = abs(x)
        rest, scale = reduce(high if high < size else size, rounder)
        quarter = polynomial(rest, series) * scale
        half = quarter - sixteenth / quarter
        square = x * x
        small = fma(polynomial(square, small_series) * square, x, x)
        return copysign(half + half, x) if size > border else small

    return sinh


@compiled(_sinh)
def sinh(x: Any) -> Any:
    """Return the hyperbolic sine, within 1.5 ulp, finite to the end of its range; -0 stays -0."""


def _cosh(dtype: Any) -> Formula:
    high, sixteenth = dtype(_OVERFLOWS[dtype]), dtype(1 / 16)
    series, reduce, rounder = exp_series(dtype), exp_reduction(dtype), rounding_to_power(dtype, -2)

    def cosh(x: Any) -> Any:
        size = abs(x)
        rest, scale = reduce(high if high < size else size, rounder)
        quarter = polynomial(rest, series) * scale
        half = quarter + sixteenth / quarter
        return half + half

    return cosh


@compiled(_cosh)
def cosh(x: Any) -> Any:
    """Return the hyperbolic cosine, within 1.35 ulp, finite to the end of its range."""
