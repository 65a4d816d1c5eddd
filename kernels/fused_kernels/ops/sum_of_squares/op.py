"""sum_of_squares: what it is, how NumPy writes it, and what one call costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels import trace
from fused_kernels.catalog import Cost, Inputs, Op, Shape, Tolerance
from fused_kernels.conversion import convert
from fused_kernels.dispatch import FLOATS, lazy_import, ready, result

from . import peers
from .axes import axes_of, layout, packed, shape_without

if TYPE_CHECKING:
    from . import cpu
else:
    cpu = lazy_import(f"{__package__}.cpu")


def sum_of_squares(x: Any, axis: Any = None, *, keepdims: bool = False, out: Any = None) -> Any:
    """``sum(x * x)`` over all elements, or over one or more axes.

    Parameters
    ----------
    x
        Array of any shape; float32 or float64, other real dtypes are converted.
    axis
        The axis or the tuple of axes that are summed over, as in ``numpy.sum``; None for all.
    keepdims
        Whether axes that are summed over stay, with length 1.
    out
        Array of the result's shape that receives it.

    Returns
    -------
    scalar or array
        A NumPy scalar where nothing is left of the shape (for torch a tensor without axes), in the dtype of ``x``;
        integers give float64.

    Raises
    ------
    ShapeError
        If ``x`` has no such axis, an axis is named twice, or ``out`` has another shape.
    DtypeError
        For complex, text, object or masked arrays and tensors that require grad, and an axis that is no integer.

    Notes
    -----
    float32 is summed in blocks, these in float64, so that the error does not grow with the length; the last sum is
    Neumaier's (Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, 1974). The result is the same on
    any number of threads. The sum of no elements is 0; NaN and inf spread as in NumPy. Strided arrays are read where
    they lie, unless their axes cannot be taken as four; then a copy is made, and `explain` says so.

    Examples
    --------
    >>> float(sum_of_squares([3.0, 4.0]))
    25.0
    >>> sum_of_squares([[3.0, 4.0], [6.0, 8.0]], axis=1)
    array([ 25., 100.])
    """
    if axis is None and out is None and not keepdims:
        found = None if trace.listeners else cpu.attempt(x)
        if found is not None:
            return found
        if ready(x, None):
            return cpu.whole(x)
    if not _taken(x, out):
        return convert(sum_of_squares, {"x": x}, {"axis": axis, "keepdims": keepdims}, out)
    axes = axes_of("sum_of_squares", axis, x)
    target = result("sum_of_squares", out, shape_without(x, axes, keepdims=keepdims), x.dtype)
    if not x.size:
        if not trace.is_dry():
            target[...] = 0
    else:
        four = layout(x, axes)
        if four is None:
            trace.note("x: copied, its axes do not lie in memory as four")
            x, four = packed(x, axes)
        cpu.sums(x, four, target.reshape(-1))
    return target if out is not None else target[()]


def _taken(x: Any, out: Any) -> bool:
    """Whether the kernels take both as they are: ``x`` of any strides, ``out`` contiguous and no part of ``x``."""
    if type(x) is not np.ndarray or x.dtype not in FLOATS or not x.flags.behaved:
        return False
    if out is None or out is x:
        return True
    return type(out) is np.ndarray and out.dtype == x.dtype and out.flags.carray and not np.may_share_memory(x, out)


def _reference(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    if axis is None:
        flat = x.ravel()
        total = np.dot(flat, flat)
        return total.reshape((1,) * x.ndim) if keepdims else total
    return np.sum(x * x, axis=axis, keepdims=keepdims)


def _sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    return {"x": rng.standard_normal(shape).astype(dtype)}


def _cost(x: Any, axis: Any = None, *, keepdims: bool = False) -> Cost:
    axes = axes_of("sum_of_squares", axis, x)
    written = int(np.prod(shape_without(x, axes, keepdims=False), dtype=int))
    return Cost(bytes_read=x.nbytes, bytes_written=written * x.itemsize, flops=2 * x.size)


OPERATIONS = (
    Op(
        name="sum_of_squares",
        summary="sum(x * x), over everything or over axes",
        family="elements",
        function=sum_of_squares,
        reference=_reference,
        sample=_sample,
        cost=_cost,
        shapes=((512, 768), (8, 64), (1000, 1000), (4096, 4096)),
        dimensions=("rows", "columns"),
        tolerance={"float32": Tolerance(1e-5, 1e-30), "float64": Tolerance(1e-13, 1e-290)},
        peers={
            "torch": peers.torch,
            "onnx": peers.onnx,
            "jax": peers.jax,
            "numexpr": peers.numexpr,
            "polyglot": peers.polyglot,
        },
    ),
)
