"""Whose array is this, and can a kernel take it as it is.

The public functions ask `ready` first: plain NumPy arrays of one native float dtype go straight to the kernel. All else
goes once through `conversion.convert`, which calls the same function again with arrays that are ready.
"""

from __future__ import annotations

import importlib
import operator
from typing import Any

import numpy as np

from .errors import DtypeError, ShapeError
from .memory import empty

Array = np.ndarray[Any, Any]
FLOAT32: np.dtype[Any] = np.dtype(np.float32)
FLOAT64: np.dtype[Any] = np.dtype(np.float64)
FLOATS = (FLOAT32, FLOAT64)
"""What there are kernels for."""

_ndarray = np.ndarray
_NUMBERS = (float, int, np.floating, np.integer)


class _Lazy:
    """A module that is imported when an attribute of it is first used; nothing of it is to be seen before."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value


def lazy_import(name: str) -> Any:
    """Return a module that is imported when an attribute of it is first used."""
    return _Lazy(name)


def ready(x: Any, out: Any) -> bool:
    """Whether kernels can take ``x`` and ``out`` (if not None) as they are, with no overlap but an exact one."""
    if type(x) is not _ndarray or not x.flags.carray:
        return False
    dtype = x.dtype
    # Identity is the fast answer; an array that was pickled has an equal dtype of its own.
    if dtype is not FLOAT32 and dtype is not FLOAT64 and dtype not in FLOATS:
        return False
    if out is None or out is x:
        return True
    return type(out) is _ndarray and out.dtype == dtype and out.flags.carray and not overlap(x, out)


def ready_rows(x: Any, out: Any) -> bool:
    """Whether kernels on rows can take ``x`` and ``out`` as they are: as `ready`, but rows may lie apart."""
    if ready(x, out):
        return True
    if not are_rows(x) or (x.dtype not in FLOATS):
        return False
    if out is None or out is x:
        return True
    return are_rows(out) and out.dtype == x.dtype and not repeats(out) and not np.may_share_memory(x, out)


def repeats(out: Array) -> bool:
    """Whether several elements are one in memory, as those of a broadcast array are."""
    return out.size > 0 and any(size > 1 and not step for size, step in zip(out.shape, out.strides, strict=True))


def are_rows(x: Any) -> bool:
    """Whether ``x`` is a writeable array whose last axis is contiguous, and whose other axes are one in steps."""
    if type(x) is not _ndarray or not x.flags.behaved or not x.ndim:
        return False
    if x.flags.c_contiguous:
        return True
    *steps, last = x.strides
    if last != x.itemsize and x.shape[-1] != 1:
        return False
    expected = None
    for size, step in zip(reversed(x.shape[:-1]), reversed(steps), strict=True):
        if size != 1 and expected not in (None, step):
            return False
        expected = step * size if size != 1 or expected is None else expected
    return True


def as_rows(x: Array) -> Array:
    """Return an array that is `are_rows` as one of two axes, (rows, n), without a copy; n is at least 1."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


def result(operation: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return ``out`` if it has the shape of the result, or new memory if it is None.

    Raises
    ------
    ShapeError
        If it has another shape.
    """
    if out is None:
        return empty(shape, dtype)
    if out.shape == shape:
        taken: Array = out
        return taken
    raise ShapeError(f"{operation}: the result has shape {shape} and out has {out.shape}. Pass np.empty({shape}).")


def axis_of(operation: str, axis: Any, x: Array) -> int:
    """Return an axis of ``x`` as a number from 0 up.

    Raises
    ------
    ShapeError
        If ``x`` has no such axis.
    DtypeError
        If it is no integer.
    """
    dimensions = x.ndim
    try:
        number_ = operator.index(axis)
    except TypeError as error:
        raise DtypeError(f"{operation}: axis must be one integer; received {axis!r}.") from error
    if not -dimensions <= number_ < dimensions:
        raise ShapeError(
            f"{operation}: axis {axis} is not an axis of x; received {explain_received(x=x)}. "
            + (f"Choose from {-dimensions} to {dimensions - 1}." if dimensions else "Reshape x to (1,).")
        )
    return number_ % dimensions


def overlap(x: Array, out: Array) -> bool:
    """Whether two contiguous arrays share memory."""
    # Owners of their memory do not share it, nor do their views; asking NumPy costs as much as a small kernel.
    mine, its = x.base, out.base
    mine, its = x if mine is None else mine, out if its is None else its
    if mine is not its and type(mine) is type(its) is _ndarray and mine.base is its.base is None:
        return False
    return np.may_share_memory(x, out)


def ready_with(x: Array, out: Any, other: Any) -> bool:
    """Whether ``other`` (if not None) can accompany an ``x`` and ``out`` that are `ready`."""
    if other is None:
        return True
    return (
        type(other) is _ndarray
        and other.dtype == x.dtype
        and other.flags.carray
        and (out is None or not overlap(other, out))
    )


def number(operation: str, name: str, value: Any) -> float:
    """Return an argument that must be a real number as a float.

    Raises
    ------
    DtypeError
        For all else: text, complex and masked numbers, arrays with axes, tensors that require grad, huge integers.
    """
    try:
        if isinstance(value, _NUMBERS):
            return float(value)
        if np.ndim(value) or np.asarray(value).dtype.kind not in "biuf" or np.ma.is_masked(value):
            raise TypeError
        if getattr(value, "requires_grad", False):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise DtypeError(f"{operation}: {name} must be a number; received {described(value)[:200]}.") from error


def explain_received(**values: Any) -> str:
    """Describe arguments for an error message: ``x: float32 (8, 64), axis: 3``."""
    return ", ".join(f"{key}: {described(value)}" for key, value in values.items() if value is not None)


def described(value: Any) -> str:
    """Write one argument for a message: an array by dtype and shape, anything else as it is."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype} {tuple(value.shape)}"
    return repr(value)
