"""layer_norm: what it is, how NumPy writes it, and what one call costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels import trace
from fused_kernels.catalog import Cost, Inputs, Op, Shape, Tolerance
from fused_kernels.conversion import convert
from fused_kernels.dispatch import as_rows, lazy_import, ready_rows, ready_with, result
from fused_kernels.ops._rows import affine, check_row, epsilon

from . import peers

if TYPE_CHECKING:
    from . import cpu
else:
    cpu = lazy_import(f"{__package__}.cpu")


def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5, out: Any = None) -> Any:
    """Normalise over the last axis: ``(x - mean) / sqrt(variance + eps) * weight + bias``.

    Parameters
    ----------
    x
        Array of shape (..., n) with n >= 1; float32 or float64, other real dtypes are converted.
    weight, bias
        Shape (n,), or None for 1 and 0.
    eps
        Added to the variance, which is the mean of the squared deviations; 0 or more.
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
    Ba, Kiros and Hinton, Layer Normalization, arXiv:1607.06450. A row with a NaN or an inf becomes NaN, as in NumPy.

    Examples
    --------
    >>> layer_norm([[1.0, 3.0]]).round(3)
    array([[-1.,  1.]])
    """
    if not trace.listeners:
        forms = cpu.plain if weight is None and bias is None else cpu.affine
        done = cpu.attempt(forms.kit, x, out, weight, bias, eps)
        if done is not None:
            return done
    eps = epsilon("layer_norm", eps, "1e-5")
    if not (ready_rows(x, out) and ready_with(x, out, weight) and ready_with(x, out, bias)):
        return convert(layer_norm, {"x": x, "weight": weight, "bias": bias}, {"eps": eps}, out, rows=("x", "out"))
    check_row("layer_norm", x, weight=weight, bias=bias)
    target = result("layer_norm", out, x.shape, x.dtype)
    if weight is None and bias is None:
        cpu.plain.run(x.nbytes, out is x, as_rows(x), as_rows(target), eps=eps)
    else:
        weight, bias = affine(x, weight, bias)
        cpu.affine.run(x.nbytes, out is x, as_rows(x), as_rows(target), weight, bias, eps)
    return target


def _reference(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
    mean = x.mean(axis=-1, keepdims=True)
    variance = x.var(axis=-1, keepdims=True)
    result = (x - mean) / np.sqrt(variance + eps)
    if weight is not None:
        result = result * weight
    if bias is not None:
        result = result + bias
    return result


def _sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    columns = shape[-1]
    return {
        "x": rng.standard_normal(shape).astype(dtype),
        "weight": rng.uniform(0.5, 1.5, columns).astype(dtype),
        "bias": rng.standard_normal(columns).astype(dtype),
    }


def _cost(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Cost:
    parameters = sum(value.nbytes for value in (weight, bias) if value is not None)
    # Sum; subtract, square and add; subtract and scale; weight and bias.
    flops = (1 + 3 + 2 + (weight is not None) + (bias is not None)) * x.size
    return Cost(bytes_read=x.nbytes + parameters, bytes_written=x.nbytes, flops=flops)


OPERATIONS = (
    Op(
        name="layer_norm",
        summary="(x - mean) / sqrt(variance + eps) * weight + bias, over the last axis",
        family="rows",
        function=layer_norm,
        reference=_reference,
        sample=_sample,
        cost=_cost,
        shapes=((512, 768), (8, 64), (1000, 1000), (4096, 4096)),
        dimensions=("rows", "columns"),
        tolerance={"float32": Tolerance(2e-5, 1e-5), "float64": Tolerance(1e-13, 1e-13)},
        peers={"torch": peers.torch, "onnx": peers.onnx, "jax": peers.jax, "polyglot": peers.polyglot},
    ),
)
