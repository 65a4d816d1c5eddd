"""softmax: what it is, how NumPy writes it, and what one call costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels import trace
from fused_kernels.catalog import Cost, Inputs, Op, Shape, Tolerance
from fused_kernels.dispatch import lazy_import
from fused_kernels.ops._axis import along_axis

from . import peers

if TYPE_CHECKING:
    from . import cpu
else:
    cpu = lazy_import(f"{__package__}.cpu")


def softmax(x: Any, axis: int = -1, *, out: Any = None) -> Any:
    """``exp(x) / sum(exp(x))`` over an axis, computed with the maximum subtracted, so that nothing overflows.

    Parameters
    ----------
    x
        Array with at least one axis; float32 or float64, other real dtypes are converted.
    axis
        The axis whose elements of the result sum to 1.
    out
        Array of the shape of ``x`` that receives the result; it may be ``x`` itself.

    Returns
    -------
    array
        Shape and kind of ``x``; integers give float64.

    Raises
    ------
    ShapeError
        If ``x`` has no such axis, or ``out`` another shape.
    DtypeError
        For complex, text, object or masked arrays and tensors that require grad, and an axis that is no integer.

    Notes
    -----
    -inf gives 0. Elements that share a sum with a NaN or +inf, or that are all -inf, become NaN: the quotient has no
    value there, and NumPy, SciPy and torch agree.

    Examples
    --------
    >>> softmax([0.0, 0.0])
    array([0.5, 0.5])
    """
    if axis == -1 and not trace.listeners:
        done = cpu.attempt(cpu.rows.kit, x, out, None, None, 0.0)
        if done is not None:
            return done
    return along_axis(softmax, cpu, x, axis, out)


def _reference(x: Any, axis: int = -1) -> Any:
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def _sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    return {"x": (3 * rng.standard_normal(shape)).astype(dtype)}


def _cost(x: Any, axis: int = -1) -> Cost:
    # Maximum, subtract, exp, sum, scale.
    return Cost(bytes_read=x.nbytes, bytes_written=x.nbytes, flops=5 * x.size)


OPERATIONS = (
    Op(
        name="softmax",
        summary="exp(x) / sum(exp(x)) over an axis, without overflow",
        family="rows",
        function=softmax,
        reference=_reference,
        sample=_sample,
        cost=_cost,
        shapes=((512, 768), (8, 64), (1000, 1000), (4096, 4096)),
        dimensions=("rows", "columns"),
        tolerance={"float32": Tolerance(5e-6, 1e-30), "float64": Tolerance(1e-14, 1e-290)},
        peers={"torch": peers.torch, "onnx": peers.onnx, "jax": peers.jax, "polyglot": peers.polyglot},
    ),
)
