"""What a payload asks of the GPU: the operations that the persistent kernel has, with their arguments' own names."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from workbench.errors import InputError
from workbench.text import format_sizes

from .layout import Operation


class Asked(NamedTuple):
    """One payload, looked at.

    Parameters
    ----------
    operation
        Which.
    arrays
        What is computed from: arrays of one dtype, and of one shape where there are two.
    shape
        Of the result; None if it is a number.
    out
        Takes the result, if it is not None.
    factor
        Of a scaling.
    """

    operation: Operation
    arrays: tuple[Any, ...]
    shape: tuple[int, ...] | None
    out: Any = None
    factor: float = 0.0


def scale(x: Any, factor: float, *, out: Any = None) -> Asked:
    """Ask for ``x * factor``."""
    x = _array("scale", "x", x)
    if isinstance(factor, bool) or not (isinstance(factor, numbers.Real) or _is_number(factor)):
        raise InputError(
            f"scale in a ring kernel on the GPU takes one number as factor, got {type(factor).__name__}. "
            'For an array of factors use fused_kernels.scale, or Runtime(backend="cpu").'
        )
    try:
        factor = float(factor)
    except OverflowError:
        raise InputError("scale: the factor is beyond what a float64 can hold.") from None
    return Asked(Operation.SCALE, (x,), tuple(x.shape), out, factor)


def add(x: Any, y: Any, *, out: Any = None) -> Asked:
    """Ask for ``x + y``."""
    x, y = _pair("add", x, y)
    return Asked(Operation.ADD, (x, y), tuple(x.shape), out)


def dot(x: Any, y: Any) -> Asked:
    """Ask for the sum of the products of all elements."""
    return Asked(Operation.DOT, _pair("dot", x, y), None)


def softmax(x: Any, axis: int = -1, *, out: Any = None) -> Asked:
    """Ask for the softmax of each row."""
    x = _array("softmax", "x", x)
    dimensions = len(x.shape)
    if not dimensions or axis not in (-1, dimensions - 1):
        raise InputError(
            f"softmax in a ring kernel on the GPU goes over the last axis, got axis={axis!r} of "
            f"{format_sizes(tuple(x.shape))}. "
            'Send the array with that axis last, or use Runtime(backend="cpu").'
        )
    return Asked(Operation.SOFTMAX, (x,), tuple(x.shape), out)


ASKS: dict[str, Callable[..., Asked]] = {"scale": scale, "add": add, "dot": dot, "softmax": softmax}
"""By the names under which they are launched."""


def _is_number(value: Any) -> bool:
    return getattr(value, "shape", None) == () and getattr(getattr(value, "dtype", None), "kind", "") in "fiu"


def _array(operation: str, name: str, value: Any) -> Any:
    """Return an array as it is, and numbers, alone or in sequences, as one of NumPy's."""
    if isinstance(value, np.ma.MaskedArray):
        raise InputError(f"{operation}: {name} is a masked array, whose mask would be lost. Send {name}.filled(value).")
    if hasattr(value, "shape") and not isinstance(value, np.generic):
        return value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{operation}: {name} must be an array of numbers: {error}.") from None
    if array.dtype.kind not in "fiub":
        raise InputError(f"{operation}: {name} must be an array of numbers, got {type(value).__name__}.")
    return array if isinstance(value, np.generic) else array.astype(np.float64)


def _pair(operation: str, x: Any, y: Any) -> tuple[Any, Any]:
    x, y = _array(operation, "x", x), _array(operation, "y", y)
    if tuple(x.shape) != tuple(y.shape):
        raise InputError(
            f"{operation} in a ring kernel takes two arrays of one shape, got {format_sizes(tuple(x.shape))} and "
            f"{format_sizes(tuple(y.shape))}. Broadcast the smaller one first."
        )
    return x, y
