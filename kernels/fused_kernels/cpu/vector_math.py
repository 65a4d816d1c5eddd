"""exp and its relatives in a form that LLVM vectorises, for float32 and float64.

Numba calls the C library's function for each element; these are straight arithmetic. Polynomials are Chebyshev fits
made with mpmath at 50 digits; the range reduction is Cody and Waite's, in two steps with fused multiply-add.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from .compile import INLINED
from .intrinsics import fma, polynomial, round_even, scale_by_power_of_two


def exp(x: Any) -> Any:
    """``e**x``; within 1.1 ulp of the true value, denormal results included; NaN stays NaN.

    Callable from kernels only.
    """
    raise TypeError("vector_math.exp is compiled into kernels; from Python call numpy.exp")


def _make_exp(dtype: type, smallest: float, largest: float, ln2: tuple[float, float], fit: tuple[float, ...]) -> Any:
    low, high, one = dtype(smallest), dtype(largest), dtype(1)
    per_ln2, minus_ln2, minus_ln2_rest = dtype(1 / np.log(2)), dtype(-ln2[0]), dtype(-ln2[1])
    coefficients = tuple(dtype(value) for value in fit)

    def exp_kernel(x: Any) -> Any:
        # Written so that a NaN fails both comparisons and passes through.
        bounded = low if x < low else x
        bounded = high if bounded > high else bounded
        power = round_even(bounded * per_ln2)
        rest = fma(power, minus_ln2_rest, fma(power, minus_ln2, bounded))
        # exp(r) = 1 + r + r^2 * p(r) for |r| <= ln(2) / 2
        value = fma(polynomial(rest, coefficients) * rest, rest, rest) + one
        return scale_by_power_of_two(value, power)

    return exp_kernel


_EXP = {
    # Below `smallest` the result rounds to 0, above `largest` it is inf.
    types.float32: _make_exp(
        np.float32,
        -104.5,
        89.0,
        (0.693359375, -2.12194440e-4),
        (0.0013926213466332444, 0.008363202971575855, 0.04166655443768594, 0.16666576845993977, 0.5),
    ),
    types.float64: _make_exp(
        np.float64,
        -746.0,
        710.0,
        (6.93147180369123816490e-01, 1.90821492927058770002e-10),
        (
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
        ),
    ),
}


@overload(exp, jit_options=INLINED)
def _exp_overload(x: Any) -> Any:
    return _EXP.get(x)
