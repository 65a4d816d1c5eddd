"""l2_normalize: what it is, how NumPy writes it, and what one call costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels import trace
from fused_kernels.catalog import Cost, Inputs, Op, Shape, Tolerance
from fused_kernels.dispatch import lazy_import
from fused_kernels.ops._axis import along_axis
from fused_kernels.ops._rows import epsilon

from . import peers

if TYPE_CHECKING:
    from . import cpu
else:
    cpu = lazy_import(f"{__package__}.cpu")


def l2_normalize(x: Any, axis: int = -1, *, eps: float = 1e-12, out: Any = None) -> Any:
    """Give each vector along an axis the length 1: ``x / max(sqrt(sum(x * x)), eps)``.

    Parameters
    ----------
    x
        Array with at least one axis; float32 or float64, other real dtypes are converted.
    axis
        The axis along which the vectors lie.
    eps
        The least length that is divided by, so that a vector of zeros stays one; 0 or more.
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
        For complex, text, object or masked arrays and tensors that require grad, an axis that is no integer, and an
        ``eps`` that is no number.
    KernelError
        For a negative or NaN ``eps``.

    Notes
    -----
    The rule of ``torch.nn.functional.normalize``. A vector with an inf becomes 0 elsewhere and NaN there, one with a
    NaN becomes NaN, as in NumPy.

    Examples
    --------
    >>> l2_normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    if axis == -1 and not trace.listeners:
        done = cpu.attempt(cpu.rows.kit, x, out, None, None, eps)
        if done is not None:
            return done
    return along_axis(l2_normalize, cpu, x, axis, out, eps=epsilon("l2_normalize", eps, "1e-12"))


def _reference(x: Any, axis: int = -1, *, eps: float = 1e-12) -> Any:
    return x / np.maximum(np.sqrt(np.sum(x * x, axis=axis, keepdims=True)), eps)


def _sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    return {"x": rng.standard_normal(shape).astype(dtype)}


def _cost(x: Any, axis: int = -1, *, eps: float = 1e-12) -> Cost:
    # Square and add; scale.
    return Cost(bytes_read=x.nbytes, bytes_written=x.nbytes, flops=3 * x.size)


OPERATIONS = (
    Op(
        name="l2_normalize",
        summary="x / max(sqrt(sum(x * x)), eps) over an axis",
        family="rows",
        function=l2_normalize,
        reference=_reference,
        sample=_sample,
        cost=_cost,
        shapes=((512, 768), (8, 64), (1000, 1000), (4096, 4096)),
        dimensions=("rows", "columns"),
        tolerance={"float32": Tolerance(2e-6, 1e-30), "float64": Tolerance(1e-14, 1e-290)},
        peers={"torch": peers.torch, "onnx": peers.onnx, "jax": peers.jax},
    ),
)
