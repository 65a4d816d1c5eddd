"""The elementary functions in a form that LLVM vectorises, for float32 and float64.

Numba calls the C library's function for each element, which keeps a loop scalar; these are straight arithmetic and
selections, inlined into the loop that calls them. They are callable from kernels only, with float32 or float64;
integers become floats.
"""

from __future__ import annotations

from .error_function import erf, erfc, fast_normal_cdf, normal_cdf
from .exponential import exp, exp2, exp_nonpositive, expm1, fast_exp
from .hyperbolic import cosh, sigmoid, sinh, tanh
from .logarithm import log, log1p, log2, log10
from .power import power
from .trigonometric import cos, sin

__all__ = [
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "exp_nonpositive",
    "expm1",
    "fast_exp",
    "fast_normal_cdf",
    "log",
    "log1p",
    "log2",
    "log10",
    "normal_cdf",
    "power",
    "sigmoid",
    "sin",
    "sinh",
    "tanh",
]
