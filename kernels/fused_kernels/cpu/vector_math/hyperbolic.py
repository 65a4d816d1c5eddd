"""sigmoid, tanh, sinh and cosh, all from the parts of exp.

With x = n * ln(2) + r and w = exp(r) - 1, exp(x) is 2**n + w * 2**n, whose first term is exact. Polynomials are
Chebyshev fits made with mpmath at 50 digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.cpu.intrinsics import copysign, fma, polynomial

from .exponential import exp_reduction, exp_series, rounding_to_power
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


_TANH = {
    np.float32: (
        -0.006269119679927826,
        0.021110959351062775,
        -0.053873948752880096,
        0.13332915306091309,
        -0.3333333134651184,
    ),
    np.float64: (
        -1.833596211003942e-05,
        8.154737806525365e-05,
        -0.0002322510406793851,
        0.0005880541548418729,
        -0.001455464802800745,
        0.0035920831663434575,
        -0.008863232113541474,
        0.02186948838378093,
        -0.05396825396475762,
        0.13333333333330197,
        -0.33333333333333326,
    ),
}
"""(tanh(x) / x - 1) / x**2 in x**2 up to 0.6."""


def _tanh(dtype: Any) -> Formula:
    # From half of `high` on the result rounds to 1.
    high, border, one, two = dtype(20 if dtype is np.float32 else 40), dtype(0.6), dtype(1), dtype(2)
    small_series = tuple(dtype(value) for value in _TANH[dtype])
    series, reduce, rounder = exp_series(dtype), exp_reduction(dtype), rounding_to_power(dtype)

    def tanh(x: Any) -> Any:
        double = abs(x) + abs(x)
        rest, scale = reduce(high if high < double else double, rounder)
        large = one - two / fma(polynomial(rest, series), scale, one)
        square = x * x
        small = fma(polynomial(square, small_series) * square, x, x)
        return copysign(large if abs(x) > border else small, x)

    return tanh


@compiled(_tanh)
def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent, within 1.4 ulp; -0 stays -0."""


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
