"""New arrays of any shape, and NumPy's numbers, made inside kernels that keep Python's lock."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .addresses import symbol
from .array_objects import dtype_of, given, made, ndarray, numpy_function
from .compile import inline

_WORD, _INT = ir.IntType(64), ir.IntType(32)
_NEW = symbol("fused_kernels.new_array", numpy_function(93))  # PyArray_New
_SCALAR = symbol("fused_kernels.new_number", numpy_function(60))  # PyArray_Scalar
_FLOAT32, _FLOAT64 = np.dtype(np.float32).num, np.dtype(np.float64).num


@inline
def new_array(size, axes, shape):  # type: ignore[no-untyped-def]
    """Return a new C-contiguous array of floats of 4 or 8 bytes, or None if there is no memory.

    The lengths of its axes are at the address ``shape``.
    """
    return _new_array(ndarray(), axes, shape, _FLOAT32 if size == 4 else _FLOAT64)


@inline
def new_number(place, like):  # type: ignore[no-untyped-def]
    """Return the number at an address as one of NumPy's, of the dtype of an array, or None if there is no memory."""
    return _new_number(place, dtype_of(like))


@intrinsic
def _new_array(_context: Any, kind: Any, axes: Any, shape: Any, number: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind, axes, shape, number = args
        # No strides, no memory of its own, no size of an element, no flags, no parent.
        rest = [_WORD(0), _WORD(0), _INT(0), _INT(0), _WORD(0)]
        return made(
            context, builder, _NEW, [kind, builder.trunc(axes, _INT), shape, builder.trunc(number, _INT), *rest]
        )

    return given(*[types.int64] * 4), emit


@intrinsic
def _new_number(_context: Any, place: Any, dtype: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return made(context, builder, _SCALAR, [*args, _WORD(0)])

    return given(types.int64, types.int64), emit
