"""What the operations on rows ask of their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.dispatch import FLOAT32, FLOAT64, Array, explain_received, number
from fused_kernels.errors import KernelError, ShapeError

_ndarray = np.ndarray


def simple(x: Any, residual: Any, vectors: tuple[Any, ...], outs: tuple[Any, ...]) -> bool:
    """Whether this is the common case, in which nothing is left to check or to convert.

    Contiguous arrays of one native dtype that fit one another: a matrix and, if not None, another like it; vectors of
    the length of its rows (or None); the results that are given, two at the most. No two share memory, but a result
    may be one of the matrices. Written for speed: it takes as long as the kernel does on a small matrix.
    """
    if type(x) is not _ndarray:
        return False
    dtype, shape = x.dtype, x.shape
    if (dtype is not FLOAT32 and dtype is not FLOAT64) or len(shape) != 2 or not shape[1] or not x.flags.carray:
        return False
    row = shape[1:]
    for item in vectors:
        if item is not None and (
            type(item) is not _ndarray or item.dtype is not dtype or item.shape != row or not item.flags.carray
        ):
            return False
    for item in outs if residual is None else (residual, *outs):
        if item is not x and (
            type(item) is not _ndarray or item.dtype is not dtype or item.shape != shape or not item.flags.carray
        ):
            return False
    before = None
    for out in outs:
        # Arrays whose memory belongs to different arrays do not share it.
        owner = out if out.base is None else out.base
        if owner is before or type(owner) is not _ndarray or owner.base is not None:
            return False
        for item in (x, residual, *vectors):
            if item is None or item is out:
                continue
            base = item.base
            if base is None:
                if item is owner:
                    return False
            elif base is owner or type(base) is not _ndarray or base.base is not None:
                return False
        before = owner
    return True


def epsilon(operation: str, eps: Any, usual: str) -> float:
    """Return ``eps`` as a float of 0 or more.

    Raises
    ------
    DtypeError
        If it is no number.
    KernelError
        If it is negative or NaN.
    """
    if type(eps) is not float:
        eps = number(operation, "eps", eps)
    if not eps >= 0:
        raise KernelError(f"{operation}: eps must be 0 or more, and is {eps}. The usual value is {usual}.")
    return float(eps)


def check_row(operation: str, x: Array, **parameters: Any) -> None:
    """Check that the last axis is not empty, and that each parameter (if not None) has its length.

    Raises
    ------
    ShapeError
        If ``x`` has no axis or an empty last one, or a parameter does not fit.
    """
    shape = x.shape
    if not shape or not shape[-1]:
        raise ShapeError(
            f"{operation}: the last axis needs at least one element; received {explain_received(x=x)}. "
            "Reshape x to (..., n)."
        )
    columns = shape[-1]
    for value in parameters.values():
        if value is not None and value.shape != (columns,):
            names = " and ".join(parameters)
            raise ShapeError(
                f"{operation}: {names} need{'s' if len(parameters) == 1 else ''} shape ({columns},), the length of x's "
                f"last axis; received {explain_received(x=x, **parameters)}."
            )


def affine(x: Array, weight: Array | None, bias: Array | None) -> tuple[Array, Array]:
    """Return weight and bias, with ones and zeros for what is missing."""
    columns, dtype = x.shape[-1], x.dtype
    return (
        np.ones(columns, dtype) if weight is None else weight,
        np.zeros(columns, dtype) if bias is None else bias,
    )
