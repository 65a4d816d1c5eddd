"""cosine_similarity: what it is, how NumPy writes it, and what one call costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels import trace
from fused_kernels.catalog import Cost, Inputs, Op, Shape, Tolerance
from fused_kernels.conversion import convert
from fused_kernels.dispatch import explain_received, lazy_import, result
from fused_kernels.errors import ShapeError
from fused_kernels.ops._matrices import ready
from fused_kernels.ops._rows import epsilon

from . import peers

if TYPE_CHECKING:
    from . import cpu
else:
    cpu = lazy_import(f"{__package__}.cpu")


def cosine_similarity(a: Any, b: Any = None, *, eps: float = 1e-8, out: Any = None) -> Any:
    """Cosine of the angle between each row of ``a`` and each row of ``b``: a matrix of similarities.

    Parameters
    ----------
    a
        Array of shape (m, k), any strides; float32 or float64, other real dtypes are converted.
    b
        Shape (n, k), or None for ``a`` itself, of which only one half is then computed.
    eps
        The least length that a row is taken to have, 0 or more.
    out
        Array of shape (m, n) that receives the result.

    Returns
    -------
    array
        Shape (m, n), in the common dtype of the inputs; integers give float64. Rounding may carry a value a few units
        in the last place beyond 1 or -1: nothing is clipped.

    Raises
    ------
    ShapeError
        If an argument is no matrix, the rows are of different sizes, or ``out`` does not fit.
    KernelError
        For an ``eps`` below 0.
    DtypeError
        For complex, text, object or masked arrays, tensors that require grad, and an ``eps`` that is no number.

    Notes
    -----
    ``a[i] @ b[j] / (max(norm(a[i]), eps) * max(norm(b[j]), eps))``: each row with each, as scikit-learn's function of
    this name; torch's pairs row i with row i, and is the same with ``a[:, None], b[None], dim=-1``. A row of zeros has
    similarity 0 to all; with ``eps=0`` it is NaN, as NumPy's formula is. A row with NaN or inf gives NaN. The lengths
    are summed in float64; the products in the dtype itself, where values beyond 1e18 overflow in float32. No normalised
    copy is made.

    Examples
    --------
    >>> cosine_similarity([[1.0, 0.0], [3.0, 4.0]])
    array([[1. , 0.6],
           [0.6, 1. ]])
    """
    if not trace.listeners:
        done = cpu.attempt(a, b, out, eps)
        if done is not None:
            return done
    other = a if b is None else b
    if not ready(a, other, out):
        return convert(cosine_similarity, {"a": a, "b": b}, {"eps": eps}, out)
    least = epsilon("cosine_similarity", eps, "1e-8")
    if a.ndim != 2 or other.ndim != 2 or a.shape[1] != other.shape[1]:
        raise ShapeError(_mismatch(a, other, b is None))
    (m, k), n = a.shape, other.shape[0]
    target = result("cosine_similarity", out, (m, n), a.dtype)
    if k and target.size:
        cpu.cosines(a, other, least, target)
    elif not trace.is_dry():
        target.fill(0 if least else np.nan)
    return target


def _mismatch(a: Any, b: Any, alone: bool) -> str:
    received = explain_received(a=a) if alone else explain_received(a=a, b=b)
    for name, value in (("a", a), ("b", b)):
        if value.ndim != 2:
            mend = f"; pass {name}[None] for a single row" if value.ndim == 1 else ""
            return f"cosine_similarity: {name} has {value.ndim} axes and needs two{mend}; received {received}."
    mend = ". Did you mean b.T?" if b.shape[0] == a.shape[1] else ""
    return f"cosine_similarity: rows of a and b must be of one size{mend}; received {received}."


def _reference(a: Any, b: Any = None, *, eps: float = 1e-8) -> Any:
    a = a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), eps)
    b = a if b is None else b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), eps)
    return a @ b.T


def _sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    m, k, n = shape
    return {"a": rng.standard_normal((m, k)).astype(dtype), "b": rng.standard_normal((n, k)).astype(dtype)}


def _cost(a: Any, b: Any = None, *, eps: float = 1e-8) -> Cost:
    m, k = a.shape
    n = m if b is None else b.shape[0]
    norms = 2 * (a.size + (0 if b is None else b.size))
    # Of a symmetric result one half and the diagonal.
    elements = m * n if b is not None else m * (m + 1) // 2
    read = a.nbytes + (0 if b is None else b.nbytes)
    return Cost(bytes_read=read, bytes_written=m * n * a.itemsize, flops=norms + elements * (2 * k + 2))


OPERATIONS = (
    Op(
        name="cosine_similarity",
        summary="a @ b.T over the lengths of the rows, the cosine of each pair of rows",
        family="matrices",
        function=cosine_similarity,
        reference=_reference,
        sample=_sample,
        cost=_cost,
        shapes=((1000, 384, 1000), (8, 64, 8), (128, 384, 4096), (4096, 384, 4096)),
        dimensions=("m", "k", "n"),
        tolerance={"float32": Tolerance(2e-5, 2e-6), "float64": Tolerance(1e-13, 1e-14)},
        peers={"torch": peers.torch, "onnx": peers.onnx, "jax": peers.jax},
    ),
)
