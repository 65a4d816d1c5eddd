"""matmul: what it is, how NumPy writes it, and what one call costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels import trace
from fused_kernels.catalog import Cost, Inputs, Op, Shape, Tolerance
from fused_kernels.conversion import convert
from fused_kernels.dispatch import explain_received, lazy_import, result
from fused_kernels.errors import ShapeError
from fused_kernels.ops._matrices import ready

from . import peers

if TYPE_CHECKING:
    from . import cpu
else:
    cpu = lazy_import(f"{__package__}.cpu")

_ndarray = np.ndarray


def matmul(a: Any, b: Any, *, out: Any = None) -> Any:
    """Product of two matrices, or of stacks of them: ``a @ b``.

    Parameters
    ----------
    a
        Array of shape (..., m, k), or (k,), which counts as one row; float32 or float64, other real dtypes are
        converted. Any strides: a transposed view costs no copy.
    b
        Shape (..., k, n), or (k,), which counts as one column. The leading axes of both are broadcast.
    out
        Array of the shape of the result that receives it.

    Returns
    -------
    array
        Shape (..., m, n), without the axis that a 1-D argument lacks; a scalar for two of them. In the common dtype of
        the inputs; unlike NumPy's, the product of integers is float64, as with all operations here.

    Raises
    ------
    ShapeError
        If the inner sizes differ, the leading axes cannot be broadcast, an argument is 0-D, or ``out`` does not fit.
    DtypeError
        For complex, text, object or masked arrays and tensors that require grad.

    Notes
    -----
    As `numpy.matmul`. A product with a vector is handed to NumPy: it takes as long as reading the matrix, and BLAS
    reads at the speed of the memory. So is a stack of tiny matrices, for which NumPy's loop is faster. Sums are
    formed in the dtype itself, in another order than BLAS does, the same on any number of threads.

    Examples
    --------
    >>> matmul([[1.0, 2.0]], [[3.0], [4.0]])
    array([[11.]])
    >>> matmul(np.ones((5, 2, 3)), np.ones((3, 4))).shape
    (5, 2, 4)
    """
    if type(a) is type(b) is _ndarray and (out is None or type(out) is _ndarray) and not trace.listeners:
        # A small product: one call, which checks all itself.
        found = cpu.attempt(a, b, out, None, cpu.PLAIN.compiled)
        if found is not None:
            return found
    if not ready(a, b, out):
        return convert(matmul, {"a": a, "b": b}, {}, out)
    if not a.ndim or not b.ndim:
        raise ShapeError(_mismatch(a, b, "an argument has no axes; multiply by a scalar with fused_kernels.scale"))
    left, right = a if a.ndim > 1 else a[None], b if b.ndim > 1 else b[:, None]
    (m, k), (inner, n) = left.shape[-2:], right.shape[-2:]
    if k != inner:
        raise ShapeError(_mismatch(a, b, _hint(a, b, k, inner)))
    if left.ndim == right.ndim == 2:
        stack: tuple[int, ...] = ()
    else:
        try:
            stack = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        except ValueError:
            words = f"the leading axes {left.shape[:-2]} and {right.shape[:-2]} cannot be broadcast together"
            raise ShapeError(_mismatch(a, b, words)) from None
    shape = stack + ((m,) if a.ndim > 1 else ()) + ((n,) if b.ndim > 1 else ())
    target = result("matmul", out, shape, a.dtype)
    if target.size:
        _multiply(left, right, target.reshape(*stack, m, n), stack)
    return target if shape or out is not None else target[()]


def _multiply(left: Any, right: Any, target: Any, stack: tuple[int, ...]) -> None:
    """Compute a product of which no part but perhaps the sums is empty; ``target`` is (*stack, m, n)."""
    k, n = right.shape[-2:]
    if not k:
        if not trace.is_dry():
            target.fill(0)
    elif not stack:
        cpu.product(left, right, target)
    elif right.ndim == 2 and left.flags.c_contiguous:
        # One right side for the whole stack: a single product with all rows.
        cpu.product(left.reshape(-1, k), right, target.reshape(-1, n))
    else:
        cpu.stack_product(left, right, target)


def _hint(a: Any, b: Any, k: int, inner: int) -> str:
    words = (
        f"the last axis of a, {k}, and the {'last but one' if b.ndim > 1 else 'only one'} of b, {inner}, must be equal"
    )
    if b.ndim > 1 and b.shape[-1] == k:
        words += ". Did you mean b.mT?" if b.ndim > 2 else ". Did you mean b.T?"
    elif a.ndim > 1 and a.shape[-2] == inner:
        words += ". Did you mean a.mT?" if a.ndim > 2 else ". Did you mean a.T?"
    return words


def _mismatch(a: Any, b: Any, words: str) -> str:
    return f"matmul: {words}; received {explain_received(a=a, b=b)}."


def _reference(a: Any, b: Any) -> Any:
    return np.matmul(a, b)


def _sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    m, k, n = shape
    return {
        "a": rng.standard_normal((m, k)).astype(dtype),
        # The result is of the order of 1.
        "b": (rng.standard_normal((k, n)) / math.sqrt(max(k, 1))).astype(dtype),
    }


def _cost(a: Any, b: Any) -> Cost:
    k = a.shape[-1]
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    elements = math.prod(stack) * (a.shape[-2] if a.ndim > 1 else 1) * (b.shape[-1] if b.ndim > 1 else 1)
    return Cost(bytes_read=a.nbytes + b.nbytes, bytes_written=elements * a.itemsize, flops=2 * k * elements)


OPERATIONS = (
    Op(
        name="matmul",
        summary="a @ b, the product of matrices or stacks of them",
        family="matrices",
        function=matmul,
        reference=_reference,
        sample=_sample,
        cost=_cost,
        shapes=((512, 768, 768), (8, 64, 64), (128, 128, 128), (1000, 1000, 1000), (2000, 64, 2000)),
        dimensions=("m", "k", "n"),
        tolerance={"float32": Tolerance(2e-5, 2e-5), "float64": Tolerance(1e-13, 1e-13)},
        peers={"torch": peers.torch, "onnx": peers.onnx, "jax": peers.jax, "polyglot": peers.polyglot},
    ),
)
