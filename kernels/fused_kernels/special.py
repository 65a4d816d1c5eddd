"""Functions that formulas use and NumPy lacks: on arrays here, vectorised ones of the same names in kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def sigmoid(x: Any) -> Any:
    """Return ``1 / (1 + exp(-x))``, the logistic function; an exp that overflows gives 0, without a warning."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def erf(x: Any) -> Any:
    """Return the error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t * t)`` from 0 to x."""
    return _by_scipy("erf", math.erf, x)


def normal_cdf(x: Any) -> Any:
    """Return the share of a standard normal distribution below x, ``erfc(-x / sqrt(2)) / 2``."""
    return 0.5 * _by_scipy("erfc", math.erfc, -x / math.sqrt(2))


def fast_exp(x: Any) -> Any:
    """Return ``exp(x)``; in a kernel a faster one, exact enough for what adds 1 to it."""
    return np.exp(x)


def fast_normal_cdf(x: Any) -> Any:
    """Return `normal_cdf`; in a float32 kernel a faster one with an absolute error of up to 2e-7."""
    return normal_cdf(x)


def _by_scipy(name: str, scalar: Callable[[float], float], x: Any) -> Any:
    """Compute with SciPy where it is installed, else one element at a time; long double only to double precision."""
    kind = np.result_type(x, np.float32)
    wide = kind == np.longdouble
    values = np.asarray(x, np.float64 if wide else kind)
    try:
        from scipy import special
    except ImportError:
        found = np.asarray(np.frompyfunc(scalar, 1, 1)(values))
    else:
        found = getattr(special, name)(values)
    return np.asarray(found).astype(kind)[()]
