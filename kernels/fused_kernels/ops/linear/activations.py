"""What may follow a product, as formulas of a scalar that are compiled into it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from fused_kernels.cpu.compile import INLINED
from fused_kernels.cpu.gemm_core import RELU, Activation
from fused_kernels.cpu.intrinsics import polynomial
from fused_kernels.cpu.vector_math import exp


def _silu(x: Any) -> Any:
    one = _one(x)
    return x / (one + exp(-x))


def _gelu_tanh(x: Any) -> Any:
    # 0.5 * (1 + tanh(u)) is 1 / (1 + exp(-2 * u)).
    one, rate, cubic = _one(x), _rate(x), _cubic(x)
    return x / (one + exp(rate * (x + cubic * x * x * x)))


def _gelu(x: Any) -> Any:
    return x * _normal_cdf(x)


ACTIVATIONS: dict[str | None, Activation | None] = {
    None: None,
    "relu": RELU,
    "gelu": Activation("gelu", _gelu),
    "gelu_tanh": Activation("gelu_tanh", _gelu_tanh),
    "silu": Activation("silu", _silu),
}


def _constant(value: float) -> Any:
    """Make an intrinsic that gives ``value`` in the dtype of its argument, so that float32 stays float32."""

    @intrinsic
    def constant(_context: Any, like: Any) -> Any:
        return like(like), lambda context, builder, sig, args: context.get_constant(sig.return_type, value)

    return constant


_one = _constant(1.0)
_rate = _constant(-2 * math.sqrt(2 / math.pi))
_cubic = _constant(0.044715)


def _normal_cdf(x: Any) -> Any:
    """Return the share of a standard normal distribution below ``x``; for kernels only.

    With z = abs(x) / sqrt(2) and t = 1 / (1 + 0.4 * z), erfc(z) = exp(-z * z) * t * q(2 * t - 1), where q is smooth
    over all z >= 0: one formula without branches, exact to rounding also far out. q is a Chebyshev fit made with
    mpmath at 50 digits.
    """
    raise TypeError("for kernels only")


def _make_normal_cdf(dtype: type, fit: tuple[float, ...]) -> Any:
    zero, half, one, two = dtype(0), dtype(0.5), dtype(1), dtype(2)
    slope, coefficients = dtype(0.4 / math.sqrt(2)), tuple(dtype(value) for value in fit)

    def normal_cdf(x: Any) -> Any:
        t = one / (one + slope * abs(x))
        tail = half * exp(-half * x * x) * t * polynomial(two * t - one, coefficients)
        return tail if x < zero else one - tail

    return normal_cdf


_NORMAL_CDF = {
    types.float32: _make_normal_cdf(
        np.float32,
        (
            -2.8064051672275075e-05,
            -1.0802851927939565e-05,
            0.0002637163237931842,
            0.0001655699939944658,
            -0.0019189444662674607,
            -0.0033532527495924607,
            0.011342670473006234,
            0.06849979497157607,
            0.18156581047508563,
            0.3218607715311784,
            0.4216127258791261,
        ),
    ),
    types.float64: _make_normal_cdf(
        np.float64,
        (
            1.8100251661179307e-09,
            -2.5050658726993347e-09,
            -1.4297276763253727e-08,
            2.9480449421786585e-08,
            4.485977752878892e-08,
            -1.814211976254914e-07,
            7.652875904610682e-09,
            7.870007654306527e-07,
            -9.393354423390475e-07,
            -2.702803939135041e-06,
            7.300477745122254e-06,
            7.813278685890345e-06,
            -4.504269360087179e-05,
            -2.332320957295231e-05,
            0.00028107762359897705,
            0.00017568331795414778,
            -0.0019275142232051629,
            -0.003357217721730855,
            0.01134462005354376,
            0.06850045809844091,
            0.18156564665922276,
            0.3218607397756594,
            0.42161272812228723,
        ),
    ),
}


@overload(_normal_cdf, jit_options=INLINED)
def _normal_cdf_overload(x: Any) -> Any:
    return _NORMAL_CDF.get(x)
