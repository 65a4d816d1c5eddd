"""sin and cos, right for every argument and without a branch.

x = m * 2**e, m whole. A table has 2**e in quarter turns, modulo 4, as a sum of numbers; the products with m give the
quarter turns and the rest, as Payne and Hanek's reduction does. The loads from the table are a gather, which keeps
the loop vector code. float32 is reduced in float64. Polynomials are Chebyshev fits made with mpmath at 50 digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.cpu.compile import inline
from fused_kernels.cpu.intrinsics import biased_exponent, fma, in_table, last_bits, polynomial, round_even

from .function import Formula, compiled

_SIN = {
    np.float32: (-0.00019581439846660942, 0.008332718163728714, -0.166666641831398),
    np.float64: (
        1.5914533820346306e-10,
        -2.5051081300319015e-08,
        2.755731585691312e-06,
        -0.00019841269836278898,
        0.008333333333330627,
        -0.16666666666666663,
    ),
}
"""(sin(r) / r - 1) / r**2 in r**2, abs(r) a little above pi/4 at the most."""

_COS = {
    np.float32: (2.4541477614548057e-05, -0.0013888272223994136, 0.0416666641831398),
    np.float64: (
        -1.1380383086579189e-11,
        2.087611464768224e-09,
        -2.755731711805899e-07,
        2.4801587298465606e-05,
        -0.0013888888888887196,
        0.041666666666666664,
    ),
}
"""(cos(r) - 1 + r**2 / 2) / r**4 in r**2."""

_D = np.float64
_QUARTER, _QUARTER_REST = _D(1.5707963267948966), _D(6.123233995736766e-17)
_ROUNDER = _D(1.5 * 2.0**52)
_TINY = {np.float32: -12, np.float64: -27}
"""Below this power of 2 the sine rounds to x and the cosine to 1."""


@compiled(lambda dtype: _make(dtype, 0))
def sin(x: Any) -> Any:
    """Return the sine of x in radians, within 0.87 ulp; NaN at inf, -0 stays -0."""


@compiled(lambda dtype: _make(dtype, 1))
def cos(x: Any) -> Any:
    """Return the cosine of x in radians, within 0.87 ulp; NaN at inf. Vector code where `sin` is."""


def _make(dtype: Any, ahead: int) -> Formula:
    """Make the sine of a number ``ahead`` quarter turns further."""
    reduce = inline(_reduction_of_single() if dtype is np.float32 else _reduction_of_double())
    sines, cosines = (tuple(dtype(value) for value in series[dtype]) for series in (_SIN, _COS))
    half, one, tiny = dtype(0.5), dtype(1), dtype(2.0 ** _TINY[dtype])
    quarters, first, second, none = np.uint8(ahead), np.uint8(1), np.uint8(2), np.uint8(0)
    is_sine = ahead == 0

    def formula(x: Any) -> Any:
        turns, high, low = reduce(x)
        turns = np.uint8(turns + quarters)
        square = high * high
        sine = high + fma(polynomial(square, sines) * square, high, low)
        # 1 - r**2 / 2 rounded, and what that lost
        most = fma(-half, square, one)
        rest = fma(-half, square, one - most) - high * low
        cosine = most + fma(polynomial(square, cosines) * square, square, rest)
        value = cosine if np.uint8(turns & first) != none else sine
        value = -value if np.uint8(turns & second) != none else value
        return (x if is_sine else one) if abs(x) < tiny else value

    return formula


def _reduction_of_single() -> Formula:
    """Make a function of x: the quarter turns taken away, modulo 4, and the rest as a sum of two numbers."""
    # The product of m, which has 24 bits, and the first is exact.
    table, table_rest = _table(np.float32, (29, 53))
    whole, start = _D(2.0**23), np.uint64(_first(np.float32))

    def reduce(x: Any) -> Any:
        mantissa, exponent = biased_exponent(x)
        m, place = _D(mantissa) * whole, max(exponent, start) - start
        turns = m * in_table(table, place)
        shifted = fma(m, in_table(table_rest, place), turns) + _ROUNDER
        rest = fma(m, in_table(table_rest, place), turns - (shifted - _ROUNDER))
        angle = rest * _QUARTER
        high = np.float32(angle)
        return last_bits(shifted), high, np.float32(angle - _D(high))

    return reduce


def _reduction_of_double() -> Formula:
    table, table_rest, table_end = _table(np.float64, (53, 53, 53))
    whole, start, four, fourth = _D(2.0**52), np.uint64(_first(np.float64)), _D(4), _D(0.25)

    def reduce(x: Any) -> Any:
        mantissa, exponent = biased_exponent(x)
        m, place = mantissa * whole, max(exponent, start) - start
        product, product_rest = m * in_table(table, place), m * in_table(table_rest, place)
        lost = fma(m, in_table(table, place), -product)
        end = fma(m, in_table(table_end, place), fma(m, in_table(table_rest, place), -product_rest))
        turns = fma(-four, round_even(product * fourth), product)
        more, more_rest = _sum(lost, product_rest)
        shifted = (turns + more) + _ROUNDER
        high, low = _sum(turns - (shifted - _ROUNDER), more)
        high, low = _sum(high, low + (more_rest + end))
        angle = high * _QUARTER
        return last_bits(shifted), angle, fma(high, _QUARTER, -angle) + fma(high, _QUARTER_REST, low * _QUARTER)

    return reduce


@inline
def _sum(a: Any, b: Any) -> Any:
    """Return the sum of two numbers, and what it lost in rounding (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _first(dtype: Any) -> int:
    """Return the exponent, as stored, of the table's first row."""
    return int(np.finfo(dtype).maxexp) - 1 + _TINY[dtype]


def _table(dtype: Any, bits: tuple[int, ...]) -> tuple[Any, ...]:
    """Return ``2**e * 2 / pi modulo 4`` for each exponent, as a sum of numbers of so many bits; NaN for that of inf."""
    information = np.finfo(dtype)
    # An exponent as stored is that of a mantissa between 1 and 2.
    first, last, back = _first(dtype), 2 * information.maxexp - 1, information.maxexp - 1 + information.nmant
    scale = information.maxexp + 300
    per_quarter = (1 << (2 * scale + 1)) // _pi(scale)
    columns = [np.full(last + 1 - first, np.nan) for _ in bits]
    for stored in range(first, last):
        shift = stored - back
        left = (per_quarter << shift if shift > 0 else per_quarter >> -shift) % (4 << scale)
        for column, width in zip(columns, bits, strict=True):
            place = max(left.bit_length() - width, 0)
            column[stored - first] = np.ldexp(float(left >> place), place - scale)
            left -= left >> place << place
    return tuple(columns)


def _pi(bits: int) -> int:
    """Return pi * 2**bits, by Machin's formula: pi / 4 = 4 * arctan(1 / 5) - arctan(1 / 239)."""

    def arctan_of_inverse(number: int) -> int:
        power, total, index = (1 << (bits + 20)) // number, 0, 0
        while power:
            total += (-power if index % 2 else power) // (2 * index + 1)
            power //= number * number
            index += 1
        return total

    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239)) >> 20
