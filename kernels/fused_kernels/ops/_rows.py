"""What the operations on rows ask of their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.dispatch import Array, explain_received, number
from fused_kernels.errors import KernelError, ShapeError


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
