"""rms_norm: what it is, how NumPy writes it, and what one call costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels import trace
from fused_kernels.catalog import Cost, Inputs, Op, Shape, Tolerance
from fused_kernels.conversion import convert
from fused_kernels.dispatch import as_rows, lazy_import, ready_rows, ready_with, result
from fused_kernels.ops._rows import check_row, epsilon

from . import peers

if TYPE_CHECKING:
    from . import cpu
else:
    cpu = lazy_import(f"{__package__}.cpu")


def rms_norm(x: Any, weight: Any = None, *, eps: float = 1e-6, out: Any = None) -> Any:
    """Divide by the root mean square over the last axis: ``x / sqrt(mean(x * x) + eps) * weight``.

    Parameters
    ----------
    x
        Array of shape (..., n) with n >= 1; float32 or float64, other real dtypes are converted.
    weight
        Shape (n,), or None for 1.
    eps
        Added to the mean square; 0 or more. 1e-6 is what Llama, Qwen and T5 have in transformers; ONNX's default is
        1e-5, torch's the machine epsilon of the dtype.
    out
        Array of the shape of ``x`` that receives the result; it may be ``x`` itself.

    Returns
    -------
    array
        Shape and kind of ``x``, in the common dtype of the inputs; integers give float64.

    Raises
    ------
    ShapeError
        If ``x`` has no axis or an empty last one, or a shape does not fit it.
    DtypeError
        For complex, text, object or masked arrays and tensors that require grad, and an ``eps`` that is no number.
    KernelError
        For a negative or NaN ``eps``.

    Notes
    -----
    Zhang and Sennrich, Root Mean Square Layer Normalization, arXiv:1910.07467. NaN and inf spread as in NumPy: a row
    with an inf is 0 elsewhere and NaN there.

    Examples
    --------
    >>> rms_norm([[3.0, 4.0]], eps=0).round(3)
    array([[0.849, 1.131]])
    """
    forms = cpu.plain if weight is None else cpu.weighted
    if not trace.listeners:
        done = cpu.attempt(forms.kit, x, out, weight, None, eps)
        if done is not None:
            return done
    eps = epsilon("rms_norm", eps, "1e-6")
    if not (ready_rows(x, out) and ready_with(x, out, weight)):
        return convert(rms_norm, {"x": x, "weight": weight}, {"eps": eps}, out, rows=("x", "out"))
    check_row("rms_norm", x, weight=weight)
    target = result("rms_norm", out, x.shape, x.dtype)
    forms.run(x.nbytes, out is x, as_rows(x), as_rows(target), weight, None, eps)
    return target


def _reference(x: Any, weight: Any = None, *, eps: float = 1e-6) -> Any:
    result = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)
    return result if weight is None else result * weight


def _sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    return {"x": rng.standard_normal(shape).astype(dtype), "weight": rng.uniform(0.5, 1.5, shape[-1]).astype(dtype)}


def _cost(x: Any, weight: Any = None, *, eps: float = 1e-6) -> Cost:
    # Square and add; scale; weight.
    flops = (2 + 1 + (weight is not None)) * x.size
    return Cost(x.nbytes + (0 if weight is None else weight.nbytes), x.nbytes, flops)


OPERATIONS = (
    Op(
        name="rms_norm",
        summary="x / sqrt(mean(x * x) + eps) * weight, over the last axis",
        family="rows",
        function=rms_norm,
        reference=_reference,
        sample=_sample,
        cost=_cost,
        shapes=((512, 768), (8, 64), (1000, 1000), (4096, 4096)),
        dimensions=("rows", "columns"),
        tolerance={"float32": Tolerance(5e-6, 1e-6), "float64": Tolerance(1e-14, 1e-14)},
        peers={"torch": peers.torch, "onnx": peers.onnx, "jax": peers.jax},
    ),
)
