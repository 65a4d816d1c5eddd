"""The operations that are a formula of scalars, written as NumPy code; compiled as `elementwise` compiles a user's."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from fused_kernels.catalog import Inputs, Shape, Tolerance
from fused_kernels.errors import KernelError
from fused_kernels.formula import documented, make_operation
from fused_kernels.special import fast_exp, fast_normal_cdf

from ._elementwise_peers import PEERS

_EXACT = {"float32": Tolerance(1e-6, 0.0), "float64": Tolerance(1e-15, 0.0)}
_ROUNDED = {"float32": Tolerance(2e-6, 1e-6), "float64": Tolerance(4e-15, 1e-16)}
_LIGHT = 128 << 10
"""Bytes from which threads pay for what is a few instructions for each element."""
_HEAVY = 64 << 10


def scale(x: Any, factor: Any) -> Any:
    """``x * factor`` on all cores.

    Parameters
    ----------
    x, factor
        Arrays or numbers that broadcast against each other.

    Examples
    --------
    >>> import fused_kernels as fk
    >>> fk.scale([1.0, 2.0], 10)
    array([10., 20.])
    """
    return x * factor


def relu(x: Any) -> Any:
    """``max(x, 0)``; NaN stays NaN.

    Examples
    --------
    >>> import fused_kernels as fk
    >>> fk.relu([-1.0, 2.0])
    array([0., 2.])
    """
    return np.maximum(x, 0)


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``, the logistic function.

    Examples
    --------
    >>> import fused_kernels as fk
    >>> fk.sigmoid([0.0, 1000.0, -1000.0])
    array([0.5, 1. , 0. ])
    """
    return 1 / (1 + np.exp(-x))


def tanh(x: Any) -> Any:
    """``tanh(x)``, the hyperbolic tangent.

    Examples
    --------
    >>> import fused_kernels as fk
    >>> fk.tanh([0.0, 1000.0])
    array([0., 1.])
    """
    return np.tanh(x)


def silu(x: Any) -> Any:
    """``x / (1 + exp(-x))``, x times its sigmoid, also called swish.

    Notes
    -----
    Elfwing, Uchibe and Doya, Sigmoid-weighted linear units, arXiv:1702.03118. -inf gives NaN, as the formula does.

    Examples
    --------
    >>> import fused_kernels as fk
    >>> fk.silu([0.0, 1.0]).round(4)
    array([0.    , 0.7311])
    """
    return x / (1 + fast_exp(-x))


def gelu_erf(x: Any) -> Any:
    """`gelu` with the error function."""
    return x * fast_normal_cdf(x)


def gelu_tanh(x: Any) -> Any:
    """`gelu` by its approximation."""
    # The usual 0.5 * (1 + tanh(u)) is 1 / (1 + exp(-2 * u)).
    return x / (1 + fast_exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def usual_gelu_tanh(x: Any) -> Any:
    """`gelu_tanh` as NumPy code usually has it."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def swiglu(gate: Any, up: Any) -> Any:
    """``gate / (1 + exp(-gate)) * up``: up, gated by a silu.

    Parameters
    ----------
    gate, up
        Arrays or numbers that broadcast against each other: the two projections of a layer of Llama.

    Notes
    -----
    Shazeer, GLU variants improve transformer, arXiv:2002.05202.

    Examples
    --------
    >>> import fused_kernels as fk
    >>> fk.swiglu([1.0], [2.0]).round(4)
    array([1.4621])
    """
    return gate / (1 + fast_exp(-gate)) * up


def dropout_add(x: Any, residual: Any, mask: Any, scale: Any) -> Any:
    """``x * mask * scale + residual``: dropout with a given mask, and the residual connection behind it.

    Parameters
    ----------
    x, residual, mask, scale
        Arrays or numbers that broadcast against each other; mask has 1 or True where x is kept, scale is the
        reciprocal of the share that is kept.

    Examples
    --------
    >>> import fused_kernels as fk
    >>> fk.dropout_add([1.0, 2.0], [10.0, 10.0], [True, False], 2.0)
    array([12., 10.])
    """
    return x * mask * scale + residual


def _dropout_add_sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    return {
        "x": rng.standard_normal(shape).astype(dtype),
        "residual": rng.standard_normal(shape).astype(dtype),
        "mask": (rng.random(shape) < 0.9).astype(dtype),
        "scale": 1 / 0.9,
    }


def _scale_sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    return {"x": rng.standard_normal(shape).astype(dtype), "factor": 1.5}


_heavy = functools.partial(make_operation, tolerance=_ROUNDED, parallel_from=_HEAVY)
# The truth is NumPy's in double precision, where erfc costs a few digits far out.
_DOUBLE = {"float32": Tolerance(2e-6, 1e-6), "float64": Tolerance(5e-14, 1e-16)}
_erf = make_operation(gelu_erf, name="gelu", flops=20, tolerance=_DOUBLE, peers=PEERS["gelu"], parallel_from=_HEAVY)
_tanh = _heavy(gelu_tanh, name="gelu_tanh", reference=usual_gelu_tanh)


def gelu(x: Any, *, approximate: str = "none", out: Any = None) -> Any:
    """``x * P(X <= x)`` for a standard normal X, that is ``x * (1 + erf(x / sqrt(2))) / 2``.

    Parameters
    ----------
    x
        Array of any shape.
    approximate
        ``"none"``, or ``"tanh"`` for ``0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``.

    Notes
    -----
    Hendrycks and Gimpel, Gaussian Error Linear Units, arXiv:1606.08415. In float32 the absolute error is up to 2e-7
    times x, as that of 1 + erf is, which cancels far out on the left; float64 is exact to rounding there too.

    Examples
    --------
    >>> import fused_kernels as fk
    >>> fk.gelu([-1.0, 0.0, 1.0]).round(4)
    array([-0.1587,  0.    ,  0.8413])
    """
    name = approximate if isinstance(approximate, str) else None
    if name == "none":
        return _erf.function(x, out=out)
    if name == "tanh":
        return _tanh.function(x, out=out)
    raise KernelError(f"gelu: approximate must be 'none' or 'tanh'; received {approximate!r}.")


def _gelu_reference(x: Any, *, approximate: str = "none") -> Any:
    return (_tanh if approximate == "tanh" else _erf).reference(x)


gelu.__doc__ = documented(gelu)

OPERATIONS = (
    make_operation(
        scale,
        summary="x * factor",
        sample=_scale_sample,
        shapes=((512, 768), (8, 64), (1000, 1000), (4096, 4096), (10_000_000,)),
        tolerance=_EXACT,
        peers=PEERS["scale"],
        parallel_from=_LIGHT,
    ),
    make_operation(relu, summary="max(x, 0)", tolerance=_EXACT, peers=PEERS["relu"], parallel_from=_LIGHT),
    _heavy(sigmoid, summary="1 / (1 + exp(-x))", peers=PEERS["sigmoid"]),
    _heavy(tanh, summary="tanh(x)", flops=8, peers=PEERS["tanh"]),
    _heavy(silu, summary="x / (1 + exp(-x))", peers=PEERS["silu"]),
    dataclasses.replace(
        _erf, summary="x * (1 + erf(x / sqrt(2))) / 2, or its approximation", function=gelu, reference=_gelu_reference
    ),
    _heavy(swiglu, summary="gate / (1 + exp(-gate)) * up", peers=PEERS["swiglu"]),
    make_operation(
        dropout_add,
        summary="x * mask * scale + residual",
        sample=_dropout_add_sample,
        tolerance={"float32": Tolerance(1e-6, 1e-6), "float64": Tolerance(1e-15, 1e-15)},
        peers=PEERS["dropout_add"],
        parallel_from=_LIGHT,
    ),
)
