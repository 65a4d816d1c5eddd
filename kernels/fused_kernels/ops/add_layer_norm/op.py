"""add_layer_norm: what it is, how NumPy writes it, and what one call costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels import trace
from fused_kernels.catalog import Cost, Inputs, Op, Shape, Tolerance
from fused_kernels.conversion import convert
from fused_kernels.dispatch import as_rows, explain_received, lazy_import, ready_rows, ready_with, result
from fused_kernels.errors import DtypeError, ShapeError
from fused_kernels.ops._rows import affine, check_row, epsilon

from . import peers

if TYPE_CHECKING:
    from . import cpu
else:
    cpu = lazy_import(f"{__package__}.cpu")


def add_layer_norm(
    x: Any, residual: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5, out: Any = None
) -> Any:
    """Add and normalise in one pass: ``sum = x + residual`` and ``y = layer_norm(sum, weight, bias)``, both returned.

    Parameters
    ----------
    x, residual
        Arrays of one shape (..., n) with n >= 1; float32 or float64, other real dtypes are converted.
    weight, bias
        Shape (n,), or None for 1 and 0.
    eps
        Added to the variance, which is the mean of the squared deviations; 0 or more.
    out
        A pair of arrays ``(y, sum)`` of the shape of ``x`` that receive the results. Each may be ``x`` or ``residual``,
        so that ``out=(y, residual)`` leaves the sum for the next layer where the residual was.

    Returns
    -------
    tuple
        ``(y, sum)``: the normalised sum and the sum itself, each of the shape and kind of ``x`` and in the common dtype
        of the inputs; integers give float64.

    Raises
    ------
    ShapeError
        If ``x`` and ``residual`` differ in shape, have no axis or an empty last one, or another shape does not fit.
    DtypeError
        For complex, text, object or masked arrays and tensors that require grad, an ``eps`` that is no number, and an
        ``out`` that is not a pair of different arrays.
    KernelError
        For a negative or NaN ``eps``.

    Notes
    -----
    The residual connection around each block of a transformer with the normalisation behind it; ONNX Runtime calls it
    SkipLayerNormalization. Ba, Kiros and Hinton, Layer Normalization, arXiv:1607.06450.

    Examples
    --------
    >>> y, total = add_layer_norm([[1.0, 2.0]], [[0.0, 1.0]])
    >>> y.round(3), total
    (array([[-1.,  1.]]), array([[1., 3.]]))
    """
    if not trace.listeners:
        first, second = out if type(out) is tuple and len(out) == 2 else (out, out)
        forms = cpu.plain if weight is None and bias is None else cpu.affine
        done = cpu.attempt_pair(forms.kit, x, residual, first, second, weight, bias, eps)
        if done[1] is not None:
            return done if out is None else out
    eps = epsilon("add_layer_norm", eps, "1e-5")
    if not _ready(x, residual, weight, bias, out):
        arrays = {"x": x, "residual": residual, "weight": weight, "bias": bias}
        return convert(add_layer_norm, arrays, {"eps": eps}, out, rows=("x", "residual", "out"), results=2)
    if residual.shape != x.shape:
        raise ShapeError(
            f"add_layer_norm: x and residual need one shape; received {explain_received(x=x, residual=residual)}. "
            "Pass np.broadcast_to(residual, x.shape), if that is what is meant."
        )
    check_row("add_layer_norm", x, weight=weight, bias=bias)
    y, total = (result("add_layer_norm", item, x.shape, x.dtype) for item in out or (None, None))
    overlap = out is not None and (y is x or y is residual or total is x or total is residual)
    rows, others = as_rows(x), {"y": as_rows(residual), "second": as_rows(total)}
    if weight is None and bias is None:
        cpu.plain.run(x.nbytes, overlap, rows, as_rows(y), eps=eps, **others)
    else:
        cpu.affine.run(x.nbytes, overlap, rows, as_rows(y), *affine(x, weight, bias), eps, **others)
    return (y, total) if out is None else out


def _ready(x: Any, residual: Any, weight: Any, bias: Any, out: Any) -> bool:
    if out is None:
        return _ready_for(None, x, residual, weight, bias)
    if type(out) is tuple and any(item is None for item in out):
        raise DtypeError("add_layer_norm: out has a None in it. Pass an array for each of the two results, or no out.")
    if type(out) is not tuple or len(out) != 2 or any(type(item) is not np.ndarray for item in out):
        return False
    if np.may_share_memory(*out) and np.shares_memory(*out):
        raise DtypeError("add_layer_norm: out is a pair of arrays that share memory. Pass two arrays of their own.")
    return all(_ready_for(item, x, residual, weight, bias) for item in out)


def _ready_for(item: Any, x: Any, residual: Any, weight: Any, bias: Any) -> bool:
    """Whether kernels can take all inputs as they are, for one of the results."""
    return (
        ready_rows(x, item)
        and ready_rows(residual, item)
        and residual.dtype == x.dtype
        and ready_with(x, item, weight)
        and ready_with(x, item, bias)
    )


def _reference(x: Any, residual: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
    total = x + residual
    mean = total.mean(axis=-1, keepdims=True)
    variance = total.var(axis=-1, keepdims=True)
    result = (total - mean) / np.sqrt(variance + eps)
    if weight is not None:
        result = result * weight
    if bias is not None:
        result = result + bias
    return result, total


def _sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    columns = shape[-1]
    return {
        "x": rng.standard_normal(shape).astype(dtype),
        "residual": rng.standard_normal(shape).astype(dtype),
        "weight": rng.uniform(0.5, 1.5, columns).astype(dtype),
        "bias": rng.standard_normal(columns).astype(dtype),
    }


def _cost(x: Any, residual: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Cost:
    parameters = sum(value.nbytes for value in (weight, bias) if value is not None)
    # The sum; as layer_norm.
    flops = (1 + 6 + (weight is not None) + (bias is not None)) * x.size
    return Cost(bytes_read=2 * x.nbytes + parameters, bytes_written=2 * x.nbytes, flops=flops)


OPERATIONS = (
    Op(
        name="add_layer_norm",
        summary="layer_norm(x + residual), and the sum",
        family="rows",
        function=add_layer_norm,
        reference=_reference,
        sample=_sample,
        cost=_cost,
        shapes=((512, 768), (8, 64), (1000, 1000), (4096, 4096)),
        dimensions=("rows", "columns"),
        tolerance={"float32": Tolerance(2e-5, 1e-5), "float64": Tolerance(1e-13, 1e-13)},
        peers={"torch": peers.torch, "onnx": peers.onnx, "jax": peers.jax},
    ),
)
